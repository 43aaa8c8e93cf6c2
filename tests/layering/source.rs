//! The files of `src/` as modules, without what only tests see.

use std::collections::BTreeMap;
use std::path::Path;

use syn::visit_mut::{self, VisitMut};

/// Where code lives, from the root of the crate: `engine/rank/mod.rs` is `engine::rank`.
pub type Module = Vec<String>;

/// One file.
pub struct Source {
    /// Its path below `src/`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where its code lives.
    pub module: Module,
    /// What it says, without what `#[cfg(test)]` stands before. None of a file that is all test.
    pub code: Option<syn::File>,
}

/// The files below a folder.
pub fn read(src: &Path) -> Vec<Source> {
    let mut texts = BTreeMap::new();
    collect(src, src, &mut texts);
    parse(&texts)
}

fn collect(src: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(src, &path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(src).unwrap().to_str().unwrap().replace('\\', "/");
            texts.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Parses files, told as name and text.
pub fn parse(texts: &BTreeMap<String, String>) -> Vec<Source> {
    let mut tests = Vec::new();
    let mut sources: Vec<Source> = texts
        .iter()
        .map(|(name, text)| {
            let mut code = syn::parse_file(text).unwrap_or_else(|error| panic!("src/{name}: {error}"));
            let module = module_of(name);
            for item in &code.items {
                if let syn::Item::Mod(item) = item
                    && is_test(&item.attrs)
                {
                    tests.push([module.as_slice(), &[item.ident.to_string()]].concat());
                }
            }
            WithoutTests.visit_file_mut(&mut code);
            Source { name: name.clone(), text: text.clone(), module, code: Some(code) }
        })
        .collect();
    for source in &mut sources {
        if tests.iter().any(|test| source.module.starts_with(test)) {
            source.code = None;
        }
    }
    sources
}

fn module_of(name: &str) -> Module {
    let path = name.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| !matches!(*part, "main" | "lib")).map(str::to_owned).collect()
}

fn is_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let syn::Meta::List(list) = &attr.meta else { return false };
        list.path.is_ident("cfg") && list.tokens.to_string() == "test"
    })
}

/// Takes out what `#[cfg(test)]` stands before.
struct WithoutTests;

impl VisitMut for WithoutTests {
    fn visit_file_mut(&mut self, file: &mut syn::File) {
        file.items.retain(|item| !is_test(item_attrs(item)));
        visit_mut::visit_file_mut(self, file);
    }

    fn visit_item_mod_mut(&mut self, item: &mut syn::ItemMod) {
        if let Some((_, items)) = &mut item.content {
            items.retain(|item| !is_test(item_attrs(item)));
        }
        visit_mut::visit_item_mod_mut(self, item);
    }

    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        item.items.retain(|item| match item {
            syn::ImplItem::Const(item) => !is_test(&item.attrs),
            syn::ImplItem::Fn(item) => !is_test(&item.attrs),
            syn::ImplItem::Type(item) => !is_test(&item.attrs),
            _ => true,
        });
        visit_mut::visit_item_impl_mut(self, item);
    }

    fn visit_fields_named_mut(&mut self, fields: &mut syn::FieldsNamed) {
        let kept = fields.named.iter().filter(|field| !is_test(&field.attrs)).cloned().collect();
        fields.named = kept;
        visit_mut::visit_fields_named_mut(self, fields);
    }

    fn visit_block_mut(&mut self, block: &mut syn::Block) {
        block.stmts.retain(|statement| match statement {
            syn::Stmt::Local(local) => !is_test(&local.attrs),
            syn::Stmt::Item(item) => !is_test(item_attrs(item)),
            syn::Stmt::Macro(item) => !is_test(&item.attrs),
            syn::Stmt::Expr(..) => true,
        });
        visit_mut::visit_block_mut(self, block);
    }
}

fn item_attrs(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
