//! The part of the Bot API's schema that the bot and the tests use (`schema.txt`). Every request is checked against it:
//! method, fields, required fields, types. Method names are case-insensitive, as in the API.
//!
//! Add a method or field to `schema.txt` when the bot begins to use it. If the published schema is present, in
//! `../shared/telegram/bot-api-spec.json`, a test compares ours with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::version::Version;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::parse(include_str!("schema.txt")));

/// Methods and types with their fields.
pub struct Schema {
    methods: BTreeMap<&'static str, Method>,
    types: BTreeMap<&'static str, Type>,
}

#[derive(Default)]
struct Method {
    /// The version that brought it.
    since: Option<Version>,
    returns: Vec<&'static str>,
    fields: Vec<Field>,
}

enum Type {
    Object(Vec<Field>),
    OneOf(Vec<&'static str>),
}

struct Field {
    name: &'static str,
    types: Vec<&'static str>,
    is_required: bool,
    /// The version that brought it.
    since: Option<Version>,
}

/// The schema in `schema.txt`.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

impl Schema {
    fn parse(text: &'static str) -> Self {
        let (mut methods, mut types) = (BTreeMap::new(), BTreeMap::new());
        let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
        for block in lines.split(|line| line.is_empty()).filter(|block| !block.is_empty()) {
            let fields = block[1..].iter().map(|line| Field::parse(line)).collect();
            if let Some((name, returns)) = block[0].split_once(" -> ") {
                let (returns, since) = with_version(returns);
                methods.insert(name, Method { since, returns: returns.split('|').collect(), fields });
            } else if let Some((name, subtypes)) = block[0].split_once(" = ") {
                types.insert(name, Type::OneOf(subtypes.split('|').collect()));
            } else {
                types.insert(block[0], Type::Object(fields));
            }
        }
        Self { methods, types }
    }

    fn method(&self, name: &str) -> Option<(&'static str, &Method)> {
        let mut methods = self.methods.iter();
        methods
            .find(|(spelling, _)| spelling.eq_ignore_ascii_case(name))
            .map(|(spelling, method)| (*spelling, method))
    }

    /// The method in the spelling of the API's documentation.
    pub fn method_name(&self, name: &str) -> Option<&'static str> {
        self.method(name).map(|(name, _)| name)
    }

    /// The version that brought a method: the oldest if the schema does not say, and for an unknown one.
    pub fn since(&self, method: &str) -> Version {
        self.method(method).and_then(|(_, method)| method.since).unwrap_or(Version::V7_0)
    }

    /// The parameters without what is newer than this version. Adds the newer fields (`Type.field`) to `unknown`.
    pub fn known_fields(
        &self,
        version: Version,
        method: &str,
        params: &Map<String, Value>,
        unknown: &mut Vec<String>,
    ) -> Map<String, Value> {
        match self.method(method) {
            Some((name, method)) => self.known_of(version, name, &method.fields, params, unknown),
            None => params.clone(),
        }
    }

    fn known_of(
        &self,
        version: Version,
        path: &str,
        fields: &[Field],
        object: &Map<String, Value>,
        unknown: &mut Vec<String>,
    ) -> Map<String, Value> {
        let mut known = Map::new();
        for (name, value) in object {
            let Some(field) = fields.iter().find(|field| field.name == name) else { continue };
            if field.since.is_some_and(|since| since > version) {
                unknown.push(format!("{path}.{name}"));
            } else {
                known.insert(name.clone(), self.known_value(version, &field.types, value, unknown));
            }
        }
        known
    }

    fn known_value(
        &self,
        version: Version,
        types: &[&str],
        value: &Value,
        unknown: &mut Vec<String>,
    ) -> Value {
        let files = BTreeSet::new();
        let closest = types.iter().min_by_key(|name| self.check_type(name, value, &files, "").len());
        let Some(name) = closest else { return value.clone() };
        if let (Some(element), Some(items)) = (element_of(name), value.as_array()) {
            return items.iter().map(|item| self.known_value(version, &[element], item, unknown)).collect();
        }
        match (self.types.get(name), value) {
            (Some(Type::OneOf(subtypes)), _) => self.known_value(version, subtypes, value, unknown),
            (Some(Type::Object(fields)), Value::Object(object)) => {
                Value::Object(self.known_of(version, name, fields, object, unknown))
            }
            _ => value.clone(),
        }
    }

    /// Whether `true` is the only result of a method.
    pub fn returns_only_true(&self, method: &str) -> bool {
        self.method(method).is_some_and(|(_, method)| method.returns == ["Boolean"])
    }

    /// The possible types of a method's field.
    pub fn field_types(&self, method: &str, field: &str) -> &[&'static str] {
        let fields = self.method(method).map_or(&[][..], |(_, method)| &method.fields);
        fields.iter().find(|listed| listed.name == field).map_or(&[], |field| &field.types)
    }

    /// All differences between these parameters and the method's. `files` are the names of the uploaded parts, which
    /// are values of the type InputFile.
    pub fn violations(
        &self,
        method: &str,
        params: &Map<String, Value>,
        files: &BTreeSet<String>,
    ) -> Vec<String> {
        let Some((name, method)) = self.method(method) else {
            return vec![format!("unknown method {method}")];
        };
        let mut violations = Vec::new();
        self.check_fields(&method.fields, params, files, name, &mut violations);
        let attached: BTreeSet<&str> = params.values().flat_map(attachments).collect();
        for file in files {
            if !attached.contains(file.as_str()) && !method.fields.iter().any(|field| field.name == file) {
                violations
                    .push(format!("{name}: uploaded part {file:?} is no field and nothing attaches it"));
            }
        }
        violations
    }

    fn check_fields(
        &self,
        fields: &[Field],
        object: &Map<String, Value>,
        files: &BTreeSet<String>,
        path: &str,
        violations: &mut Vec<String>,
    ) {
        for name in object.keys() {
            if !fields.iter().any(|field| field.name == name) {
                violations.push(format!("{path}: unknown field {name:?}"));
            }
        }
        for field in fields {
            let path = format!("{path}.{}", field.name);
            match object.get(field.name).filter(|value| !value.is_null()) {
                None if files.contains(field.name) => {
                    let takes_file = field.types.contains(&"InputFile");
                    violations.extend((!takes_file).then(|| format!("{path}: takes no file")));
                }
                None if field.is_required => violations.push(format!("{path}: required, absent")),
                None => {}
                Some(value) => violations.extend(self.check_union(&field.types, value, files, &path)),
            }
        }
    }

    /// No violation if the value has any of these types, else the violations of the closest type.
    fn check_union(
        &self,
        types: &[&str],
        value: &Value,
        files: &BTreeSet<String>,
        path: &str,
    ) -> Vec<String> {
        let tried = types.iter().map(|name| self.check_type(name, value, files, path));
        tried.min_by_key(Vec::len).unwrap_or_default()
    }

    fn check_type(&self, name: &str, value: &Value, files: &BTreeSet<String>, path: &str) -> Vec<String> {
        let wrong = || vec![format!("{path}: expected {name}, got {value}")];
        if let Some(element) = element_of(name) {
            let Some(items) = value.as_array() else { return wrong() };
            let check = |(i, item)| self.check_type(element, item, files, &format!("{path}[{i}]"));
            return items.iter().enumerate().flat_map(check).collect();
        }
        let is_right = match name {
            "Integer" => value.is_i64() || value.is_u64(),
            "Boolean" => value.is_boolean(),
            "String" => value.is_string(),
            "InputFile" => attachments(value).any(|file| files.contains(file)),
            _ => match &self.types[name] {
                Type::OneOf(subtypes) => return self.check_union(subtypes, value, files, path),
                Type::Object(fields) => {
                    let Some(object) = value.as_object() else { return wrong() };
                    let mut violations = Vec::new();
                    self.check_fields(fields, object, files, path, &mut violations);
                    return violations;
                }
            },
        };
        if is_right { Vec::new() } else { wrong() }
    }

    /// The differences from the published schema, except for omitted methods, optional fields, and types of a union.
    pub fn differences_from(&self, published: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        for (name, method) in &self.methods {
            let theirs = &published["methods"][name];
            let returns: Vec<String> = texts(&theirs["returns"]).map(short).collect();
            if method.returns != returns {
                differences.push(format!("{name} returns {returns:?}"));
            }
            compare_fields(name, &method.fields, theirs, &mut differences);
        }
        for (name, definition) in &self.types {
            let theirs = &published["types"][name];
            match definition {
                Type::Object(fields) => compare_fields(name, fields, theirs, &mut differences),
                Type::OneOf(subtypes) => {
                    let theirs: Vec<&str> = texts(&theirs["subtypes"]).collect();
                    let unknown = subtypes.iter().filter(|subtype| !theirs.contains(subtype));
                    differences.extend(unknown.map(|subtype| format!("{name} is never {subtype}")));
                }
            }
        }
        differences
    }
}

fn compare_fields(name: &str, fields: &[Field], published: &Value, differences: &mut Vec<String>) {
    let theirs = published["fields"].as_array().map_or(&[][..], Vec::as_slice);
    for field in fields {
        let path = format!("{name}.{}", field.name);
        let Some(theirs) = theirs.iter().find(|theirs| theirs["name"] == field.name) else {
            differences.push(format!("there is no {path}"));
            continue;
        };
        let types: Vec<String> = texts(&theirs["types"]).map(short).collect();
        if field.types.iter().any(|name| !types.iter().any(|theirs| theirs == name)) {
            differences.push(format!("{path} is {types:?}"));
        }
        if theirs["required"] != field.is_required {
            differences.push(format!("{path}: required is {}", theirs["required"]));
        }
    }
    let is_left_out = |theirs: &&Value| fields.iter().all(|field| theirs["name"] != field.name);
    let left_out = theirs.iter().filter(is_left_out).filter(|theirs| theirs["required"] == true);
    differences.extend(left_out.map(|theirs| format!("{name}.{} is required", theirs["name"])));
}

/// The short form of `Array of T`.
fn short(name: &str) -> String {
    match name.strip_prefix("Array of ") {
        Some(element) => format!("[{}]", short(element)),
        None => name.to_owned(),
    }
}

fn element_of(name: &str) -> Option<&str> {
    name.strip_prefix('[')?.strip_suffix(']')
}

fn texts(array: &Value) -> impl Iterator<Item = &str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str)
}

impl Field {
    /// `  name! A|B`, `  name A @7.11`
    fn parse(line: &'static str) -> Self {
        let (name, types) = line.trim().split_once(' ').expect("a name and types");
        let (types, since) = with_version(types);
        let (name, is_required) = name.strip_suffix('!').map_or((name, false), |name| (name, true));
        Self { name, types: types.split('|').collect(), is_required, since }
    }
}

/// The text before ` @VERSION`, and the version.
fn with_version(text: &'static str) -> (&'static str, Option<Version>) {
    let Some((text, version)) = text.split_once(" @") else { return (text, None) };
    (text, Some(Version::parse(version).expect("a version")))
}

/// The uploaded parts that a value refers to as `attach://NAME`, at any depth.
fn attachments(value: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match value {
        Value::String(text) => Box::new(text.strip_prefix("attach://").into_iter()),
        Value::Array(items) => Box::new(items.iter().flat_map(attachments)),
        Value::Object(object) => Box::new(object.values().flat_map(attachments)),
        _ => Box::new(std::iter::empty()),
    }
}

/// Converts a parameter that arrived as text (in a query, a form or a multipart body, or as a JSON string with JSON in
/// it) to one of these types. Text that fits no type stays text.
pub fn value_from_text(text: &str, types: &[&str]) -> Value {
    for name in types {
        let value = match *name {
            "Integer" => text.parse::<i64>().ok().map(Value::from),
            "Boolean" => match text {
                "true" | "True" | "1" => Some(true.into()),
                "false" | "False" | "0" => Some(false.into()),
                _ => None,
            },
            "String" | "InputFile" => None,
            _ => {
                serde_json::from_str(text).ok().filter(|value: &Value| value.is_object() || value.is_array())
            }
        };
        if let Some(value) = value {
            return value;
        }
    }
    text.into()
}
