//! Web sites as browsers name them.

use toml::Value;
use url::Url;

use super::rules::Rule;

/// The origins of web sites, which may be none.
pub(super) struct Origins;

impl Rule for Origins {
    type Out = Vec<String>;

    fn expected(&self) -> String {
        "web sites as browsers name them, such as [\"https://shop.example\", \"http://localhost:3000\"], or []".to_owned()
    }

    fn read(&self, value: &Value) -> Option<Vec<String>> {
        let texts: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        // A browser says it in one way, which is compared as it is: a star would stand for nothing.
        let is_origin = |text: &&str| {
            let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
            !text.contains('*')
                && Url::parse(text)
                    .ok()
                    .filter(is_web)
                    .is_some_and(|url| url.origin().ascii_serialization() == **text)
        };
        texts.iter().all(is_origin).then(|| texts.into_iter().map(str::to_owned).collect())
    }

    fn show(&self, out: &Vec<String>) -> Value {
        out.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_a_browser_says_it() {
        let read = |text: &str| Origins.read(&Value::Array(vec![Value::from(text)]));
        for origin in
            ["https://shop.example", "http://localhost:3000", "https://xn--bcher-kva.example", "http://[::1]"]
        {
            assert_eq!(read(origin), Some(vec![origin.to_owned()]));
        }
        for other in [
            "*",
            "null",
            "shop.example",
            "https://shop.example/",
            "https://shop.example:443",
            "https://Shop.example",
            "https://bücher.example",
            "https://shop.example/page",
            "ftp://shop.example",
            "https://*.shop.example",
            "https://me@shop.example",
            "",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
        assert_eq!(Origins.read(&Value::Array(Vec::new())), Some(Vec::new()));
    }
}
