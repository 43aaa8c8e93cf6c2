//! The paths that a file names: each `use`, and each path in its code and in its macros.

use std::collections::{BTreeMap, HashMap, HashSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::source::{Module, Source};

/// A path from the root: `crate::...` for ours, the crate's name for others'.
pub type FullPath = Vec<String>;

/// A path that a file names.
#[derive(Debug)]
pub struct Named {
    /// Where.
    pub line: usize,
    /// What.
    pub path: FullPath,
    /// Whether it only hands the name on (`pub use`): the file does not need what it names.
    pub handed_on: bool,
}

/// What one file names.
#[derive(Default)]
pub struct Paths {
    /// Every path.
    pub named: Vec<Named>,
    /// What its module calls by a name of its own.
    pub aliases: HashMap<String, FullPath>,
    /// Those of them that it hands on.
    handed_on: HashSet<String>,
    /// The lines with `.unwrap()`.
    pub unwraps: Vec<usize>,
}

/// The modules that are files, each with the name of its file.
pub type Modules = BTreeMap<Module, String>;

/// Reads one file.
pub fn read(source: &Source, modules: &Modules) -> Paths {
    let Some(code) = &source.code else { return Paths::default() };
    let mut uses =
        Uses { module: source.module.clone(), depth: source.module.len(), modules, out: Paths::default() };
    uses.visit_file(code);
    let mut reader = Reader { module: source.module.clone(), modules, out: uses.out };
    reader.visit_file(code);
    reader.out
}

/// First the `use` trees: code may stand before what it needs.
struct Uses<'a> {
    module: Module,
    depth: usize,
    modules: &'a Modules,
    out: Paths,
}

impl Uses<'_> {
    fn tree(&mut self, tree: &syn::UseTree, prefix: &[String], handed_on: bool) {
        let (line, ident, name) = match tree {
            syn::UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                return self.tree(&path.tree, &prefix, handed_on);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.tree(tree, prefix, handed_on));
            }
            syn::UseTree::Glob(glob) => (glob.span().start().line, "*".to_owned(), None),
            syn::UseTree::Name(name) => {
                (name.span().start().line, name.ident.to_string(), Some(name.ident.to_string()))
            }
            syn::UseTree::Rename(name) => {
                (name.span().start().line, name.ident.to_string(), Some(name.rename.to_string()))
            }
        };
        let own_name = ident == "self" && !prefix.is_empty();
        let path = if own_name { prefix.to_vec() } else { [prefix, &[ident]].concat() };
        let name = name.filter(|name| name != "self").or_else(|| path.last().cloned());
        let path = match path[0].starts_with(char::is_uppercase) {
            // A type of its own, by another name or its variants.
            true => [&["crate".to_owned()], self.module.as_slice(), &path].concat(),
            false => resolve(&path, &self.module, self.modules, &HashMap::new()),
        };
        if let Some(name) = name.filter(|name| name != "*" && self.module.len() == self.depth) {
            if handed_on {
                self.out.handed_on.insert(name.clone());
            }
            self.out.aliases.insert(name, path.clone());
        }
        self.out.named.push(Named { line, path, handed_on });
    }
}

impl Visit<'_> for Uses<'_> {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &syn::ItemUse) {
        self.tree(&item.tree, &[], !matches!(item.vis, syn::Visibility::Inherited));
    }
}

/// Then the code.
struct Reader<'a> {
    module: Module,
    modules: &'a Modules,
    out: Paths,
}

impl Reader<'_> {
    fn path(&mut self, line: usize, path: &[String]) {
        // A bare name was seen where it was brought in, but for those that are handed on and used as well.
        if path.len() == 1 && !self.out.handed_on.contains(&path[0]) {
            return;
        }
        let path = resolve(path, &self.module, self.modules, &self.out.aliases);
        self.out.named.push(Named { line, path, handed_on: false });
    }

    /// What a macro will make of its tokens is unknown; the paths among them are not.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punct =
            |at: usize, mark| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == mark);
        let ident = |at: usize| match tokens.get(at) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        };
        let mut at = 0;
        while at < tokens.len() {
            if let TokenTree::Group(group) = &tokens[at] {
                self.tokens(group.stream());
            }
            let Some(first) = ident(at) else {
                at += 1;
                continue;
            };
            let line = tokens[at].span().start().line;
            let empty = |token: &TokenTree| matches!(token, TokenTree::Group(g) if g.stream().is_empty());
            if first == "unwrap" && at > 0 && punct(at - 1, '.') && tokens.get(at + 1).is_some_and(empty) {
                self.out.unwraps.push(line);
            }
            let mut path = vec![first];
            at += 1;
            while punct(at, ':') && punct(at + 1, ':') {
                let Some(next) = ident(at + 2) else { break };
                path.push(next);
                at += 3;
            }
            self.path(line, &path);
        }
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item_mod(&mut self, item: &syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, _: &syn::ItemUse) {}

    fn visit_visibility(&mut self, _: &syn::Visibility) {}

    fn visit_path(&mut self, path: &syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.path(path.span().start().line, &parts);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_meta_list(&mut self, list: &syn::MetaList) {
        self.tokens(list.tokens.clone());
        visit::visit_meta_list(self, list);
    }

    fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() {
            self.out.unwraps.push(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// The path from the root, as seen from a module.
fn resolve(
    path: &[String],
    module: &[String],
    modules: &Modules,
    aliases: &HashMap<String, FullPath>,
) -> FullPath {
    let ours = |module: &[String], rest: &[String]| [&["crate".to_owned()], module, rest].concat();
    let supers = path.iter().take_while(|part| *part == "super").count();
    let parent = |supers: usize| &module[..module.len().saturating_sub(supers)];
    match path[0].as_str() {
        "headwater" => ours(&[], &path[1..]),
        "self" => {
            let supers = path[1..].iter().take_while(|part| *part == "super").count();
            ours(parent(supers), &path[1 + supers..])
        }
        "super" => ours(parent(supers), &path[supers..]),
        first => {
            if let Some(full) = aliases.get(first) {
                return [full, &path[1..]].concat();
            }
            let child = [module, &path[..1]].concat();
            if modules.contains_key(&child) { ours(module, path) } else { path.to_vec() }
        }
    }
}

/// The file that defines what a path names, after every name that is handed on.
pub fn file_of<'a>(path: &[String], modules: &'a Modules, files: &HashMap<String, Paths>) -> Option<&'a str> {
    let mut path = path.to_vec();
    // A name that is handed on in a ring names nothing.
    for _ in 0..16 {
        if path.first().is_none_or(|first| first != "crate") {
            return None;
        }
        let inner = &path[1..];
        let depth = (0..=inner.len()).rev().find(|depth| modules.contains_key(&inner[..*depth]))?;
        let file = &modules[&inner[..depth]];
        let alias = inner.get(depth).and_then(|name| files.get(file)?.aliases.get(name));
        match alias {
            Some(full) => path = [full.as_slice(), &inner[depth + 1..]].concat(),
            None => return Some(file),
        }
    }
    None
}
