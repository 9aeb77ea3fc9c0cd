//! Reading the files: [`Reading`].
//!
//! Each file is parsed by itself and its includes are walked where they stand, so a file may hold whole domains or only users. Bounded: the
//! size of a file and of all, how many, how deep. `exec-set` and the like run nothing and set nothing.

use super::super::record::{Record, Value};
use super::super::tree::{attribute, parse};
use super::super::{LONGEST_DOMAIN, LONGEST_USER, Trouble, is_plain};
use super::{FileSettings, FilesRead, Users};
use roxmltree::Node;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// See the module.
pub(super) struct Reading<'a> {
    settings: &'a FileSettings,
    /// Without symbolic links.
    root: PathBuf,
    variables: HashMap<String, String>,
    domains: Vec<Domain>,
    stamps: Stamps,
    files: usize,
    bytes: u64,
    complaints: Vec<String>,
}

/// What files and directories looked like.
#[derive(Default)]
pub(super) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, length, changes.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

#[derive(Default)]
struct Domain {
    name: String,
    values: Vec<Value>,
    groups: Vec<Group>,
    /// Users outside of any group.
    users: Vec<User>,
}

#[derive(Default)]
struct Group {
    values: Vec<Value>,
    users: Vec<User>,
}

#[derive(Default)]
struct User {
    id: String,
    alias: String,
    values: Vec<Value>,
}

/// Where in the tree what comes belongs.
enum Place<'a> {
    Top(&'a mut Vec<Domain>),
    Domain(&'a mut Domain),
    Groups(&'a mut Vec<Group>),
    Group(&'a mut Group),
    Users(&'a mut Vec<User>),
    User(&'a mut User),
    Values(&'a mut Vec<Value>),
    /// Only variables are read there.
    Variables,
}

impl<'a> Reading<'a> {
    /// Reads all; the stamps are there also when something went wrong.
    pub(super) fn of(settings: &'a FileSettings) -> (Stamps, Result<Users, Trouble>) {
        let mut reading = Reading {
            settings,
            root: PathBuf::new(),
            variables: settings.variables.iter().cloned().collect(),
            domains: Vec::new(),
            stamps: Stamps::default(),
            files: 0,
            bytes: 0,
            complaints: Vec::new(),
        };
        let read = reading.read().map_err(Trouble::new);
        (std::mem::take(&mut reading.stamps), read.map(|()| reading.finish()))
    }

    fn read(&mut self) -> Result<(), String> {
        let path = &self.settings.path;
        self.stamps.take(path);
        let real = fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let is_file = real.is_file();
        self.root = if is_file { real.parent().unwrap_or(&real).to_owned() } else { real.clone() };
        if let Some(file) = &self.settings.variables_from {
            self.file(file, &mut Place::Variables, 0)?;
        }
        let mut domains = Vec::new();
        let files = if is_file { vec![real] } else { self.matching(&real, "*.xml")? };
        for file in files {
            self.file(&file, &mut Place::Top(&mut domains), 0)?;
        }
        self.domains = domains;
        Ok(())
    }

    /// Reads a file as if it stood at this place.
    fn file(&mut self, path: &Path, place: &mut Place<'_>, depth: usize) -> Result<(), String> {
        let at = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
        self.stamps.take(path);
        self.files += 1;
        if self.files > MOST_FILES || depth > DEEPEST {
            return Err(at(&format_args!("more than {MOST_FILES} files, or includes {DEEPEST} deep")));
        }
        let file = File::open(path).map_err(|error| at(&error))?;
        if !file.metadata().map_err(|error| at(&error))?.is_file() {
            return Err(at(&"not a file"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| at(&error))?;
        self.bytes += bytes.len() as u64;
        if bytes.len() as u64 > LARGEST || self.bytes > LARGEST_TOGETHER {
            return Err(at(&format_args!("more than {LARGEST} bytes, or {LARGEST_TOGETHER} in all files")));
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = wrapped(&text);
        let document = parse(&text, usize::MAX).map_err(|why| at(&why))?;
        let base = path.parent().unwrap_or(path);
        self.walk(document.root_element(), place, base, depth)
    }

    /// What stands in an element belongs to the place.
    fn walk(
        &mut self,
        node: Node<'_, '_>,
        place: &mut Place<'_>,
        base: &Path,
        depth: usize,
    ) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(format!("elements or includes more than {DEEPEST} deep"));
        }
        for child in node.children().filter(Node::is_element) {
            let name = child.tag_name().name();
            if name.eq_ignore_ascii_case("X-PRE-PROCESS") {
                self.pre_process(child, place, base, depth)?;
            } else if matches!(name, "include" | "document" | "section") {
                self.walk(child, place, base, depth + 1)?;
            } else {
                self.element(child, name, place, base, depth + 1)?;
            }
        }
        Ok(())
    }

    fn element(
        &mut self,
        node: Node<'_, '_>,
        name: &str,
        place: &mut Place<'_>,
        base: &Path,
        depth: usize,
    ) -> Result<(), String> {
        match (place, name) {
            (Place::Top(domains), "domain") => {
                let name = self.expanded(attribute(node, "name"));
                let mut domain = Domain { name, ..Domain::default() };
                self.walk(node, &mut Place::Domain(&mut domain), base, depth)?;
                domains.push(domain);
            }
            (Place::Domain(domain), "groups") => {
                self.walk(node, &mut Place::Groups(&mut domain.groups), base, depth)?;
            }
            (Place::Groups(groups), "group") => {
                let mut group = Group::default();
                self.walk(node, &mut Place::Group(&mut group), base, depth)?;
                groups.push(group);
            }
            (Place::Group(group), "users") => {
                self.walk(node, &mut Place::Users(&mut group.users), base, depth)?;
            }
            (Place::Users(users), "user") => users.extend(self.user(node, base, depth)?),
            (Place::Domain(domain), "user") => domain.users.extend(self.user(node, base, depth)?),
            (place, "params" | "variables") => {
                let values = match place {
                    Place::Domain(domain) => &mut domain.values,
                    Place::Group(group) => &mut group.values,
                    Place::User(user) => &mut user.values,
                    _ => return Ok(()),
                };
                self.walk(node, &mut Place::Values(values), base, depth)?;
            }
            (Place::Values(values), "param" | "variable") => {
                let value = self.expanded(attribute(node, "value"));
                values.extend(Value::of(node, &value, self.settings.disabled_by.as_deref()));
            }
            _ => {}
        }
        Ok(())
    }

    /// None for a pointer: it says that the user of another group is in this one too.
    fn user(&mut self, node: Node<'_, '_>, base: &Path, depth: usize) -> Result<Option<User>, String> {
        if attribute(node, "type").eq_ignore_ascii_case("pointer") {
            return Ok(None);
        }
        let id = self.expanded(attribute(node, "id"));
        let alias = self.expanded(attribute(node, "number-alias"));
        let mut user = User { id, alias, values: Vec::new() };
        self.walk(node, &mut Place::User(&mut user), base, depth)?;
        Ok(Some(user))
    }

    fn pre_process(
        &mut self,
        node: Node<'_, '_>,
        place: &mut Place<'_>,
        base: &Path,
        depth: usize,
    ) -> Result<(), String> {
        match attribute(node, "cmd") {
            "set" => {
                // One made of something unknown is unknown itself, which is told where it is used.
                if let (data, None) = self.expand(attribute(node, "data"))
                    && let Some((name, value)) = data.split_once('=')
                {
                    let is_fixed = self.settings.variables.iter().any(|(fixed, _)| fixed == name);
                    if !is_fixed && self.variables.len() < MOST_VARIABLES {
                        self.variables.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
            "include" if !matches!(place, Place::Variables) => {
                let data = self.expanded(attribute(node, "data"));
                for file in self.included(&data, base)? {
                    self.file(&file, place, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The files of an include: a path, whose last part may hold `*`. Only what really lies in the directory.
    fn included(&mut self, data: &str, base: &Path) -> Result<Vec<PathBuf>, String> {
        let path = base.join(data);
        let (Some(directory), Some(pattern)) =
            (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            self.complain(format_args!("{}: an include of {data:?} is passed over", base.display()));
            return Ok(Vec::new());
        };
        let Ok(directory) = fs::canonicalize(directory) else {
            // It may come to be.
            self.stamps.take(directory);
            self.complain(format_args!("{}: {data:?} is not there", base.display()));
            return Ok(Vec::new());
        };
        if !directory.starts_with(&self.root) {
            self.complain(format_args!(
                "{}: {data:?} is outside of the directory and passed over",
                base.display()
            ));
            return Ok(Vec::new());
        }
        self.matching(&directory, pattern)
    }

    /// The files of a directory whose name matches, in the order of their names.
    fn matching(&mut self, directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        self.stamps.take(directory);
        let at = |error: std::io::Error| format!("{}: {error}", directory.display());
        let mut found = Vec::new();
        for (number, entry) in fs::read_dir(directory).map_err(at)?.enumerate() {
            let entry = entry.map_err(at)?;
            if number >= MOST_FILES {
                return Err(format!("{}: more than {MOST_FILES} entries", directory.display()));
            }
            if entry.file_name().to_str().is_some_and(|name| matches(name, pattern)) {
                found.push(entry.path());
            }
        }
        found.sort();
        let mut inside = Vec::new();
        for path in found {
            match fs::canonicalize(&path) {
                Ok(real) if real.starts_with(&self.root) => inside.push(real),
                Ok(_) => self.complain(format_args!(
                    "{} leads out of the directory and is passed over",
                    path.display()
                )),
                Err(error) => return Err(format!("{}: {error}", path.display())),
            }
        }
        Ok(inside)
    }

    /// With the values of `$${name}`; nothing for one that is not known.
    fn expanded(&mut self, text: &str) -> String {
        let (expanded, unknown) = self.expand(text);
        if let Some(name) = unknown {
            self.complain(format_args!("$${{{name:.64}}} is not known, or too long, and stands for nothing"));
        }
        expanded
    }

    /// With the values of `$${name}`, and the name of one that could not be put in.
    fn expand<'t>(&self, text: &'t str) -> (String, Option<&'t str>) {
        let (mut out, mut unknown, mut rest) = (String::new(), None, text);
        while let Some((before, after)) = rest.split_once("$${") {
            let Some((name, behind)) = after.split_once('}') else { break };
            out.push_str(before);
            match self.variables.get(name).filter(|value| out.len() + value.len() <= LONGEST_VALUE) {
                Some(value) => out.push_str(value),
                None => unknown = Some(name),
            }
            rest = behind;
        }
        (out + rest, unknown)
    }

    fn complain(&mut self, what: std::fmt::Arguments<'_>) {
        if self.complaints.len() < MOST_COMPLAINTS {
            let complaint = Trouble::new(what).to_string();
            if !self.complaints.contains(&complaint) {
                self.complaints.push(complaint);
            }
        }
    }

    /// The first of equal users counts, those of groups before those outside.
    fn finish(mut self) -> Users {
        let mark = self.settings.disabled_by.as_deref();
        let (mut known, mut aliases) = (HashMap::new(), HashMap::new());
        let domains = std::mem::take(&mut self.domains);
        for domain in &domains {
            let nobody: &[Value] = &[];
            let in_groups =
                domain.groups.iter().flat_map(|group| group.users.iter().map(|user| (&*group.values, user)));
            for (group, user) in in_groups.chain(domain.users.iter().map(|user| (nobody, user))) {
                if !is_plain(&user.id, LONGEST_USER) || !is_plain(&domain.name, LONGEST_DOMAIN) {
                    let (id, name) = (&user.id, &domain.name);
                    self.complain(format_args!(
                        "the user {id:.64?} of {name:.64?} cannot log in: letters, digits and ._+- only"
                    ));
                    continue;
                }
                let key = (user.id.to_ascii_lowercase(), domain.name.to_ascii_lowercase());
                if !user.alias.is_empty() {
                    let alias = (user.alias.to_ascii_lowercase(), key.1.clone());
                    aliases.entry(alias).or_insert_with(|| key.0.clone());
                }
                let values = domain.values.iter().chain(group).chain(&user.values);
                known.entry(key).or_insert_with(|| Record::new(&user.id, &domain.name, values, mark));
            }
        }
        let summary = FilesRead {
            domains: domains.into_iter().map(|domain| domain.name).collect(),
            users: known.len(),
            files: self.files,
            complaints: self.complaints,
        };
        Users { known, aliases, summary }
    }
}

impl Stamps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(path, before)| stamp(path) != *before)
    }

    /// Before it is read: what changes meanwhile is seen the next time.
    fn take(&mut self, path: &Path) {
        self.0.push((path.to_owned(), stamp(path)));
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    let (modified, changed) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    Some((meta.dev(), meta.ino(), meta.len(), modified, changed))
}

/// One element around everything: FreeSWITCH's files need have none. The XML declaration must not stand inside.
fn wrapped(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let body = match text.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, body)) => body,
        None => text,
    };
    // On the line of the first element, so that the lines of mistakes are right when there is no declaration.
    format!("<include>{body}\n</include>")
}

/// Whether a name matches a pattern in which `*` stands for anything. Hidden files match no `*` at the beginning.
fn matches(name: &str, pattern: &str) -> bool {
    if name.starts_with('.') && pattern.starts_with('*') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Bytes of one file.
const LARGEST: u64 = 8 << 20;
/// Bytes of all.
const LARGEST_TOGETHER: u64 = 128 << 20;
/// Files, and entries of one directory.
const MOST_FILES: usize = 50_000;
/// Elements and includes inside of one another.
const DEEPEST: usize = 24;
/// Different variables.
const MOST_VARIABLES: usize = 4_096;
/// Bytes of a value after its variables were put in.
const LONGEST_VALUE: usize = 16_384;
/// Lines about what was passed over.
const MOST_COMPLAINTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_but_the_dot_of_a_hidden_file() {
        for (name, pattern, is_so) in [
            ("1000.xml", "*.xml", true),
            ("1000.xml", "1000.xml", true),
            ("1000.xml~", "*.xml", false),
            (".1000.xml", "*.xml", false),
            (".xml", ".xml", true),
            ("10-00.xml", "10*0*l", true),
            ("a.xml", "a*a.xml", false),
            ("aa.xml", "a*a.xml", true),
            ("abc", "", false),
            ("abc", "*", true),
        ] {
            assert_eq!(matches(name, pattern), is_so, "{name} {pattern}");
        }
    }

    #[test]
    fn a_declaration_and_several_elements_may_stand_at_the_top() {
        for text in ["<?xml version=\"1.0\"?>\n<a/>", "\u{feff}<a/><b/>", "<a/>\n<!-- the end -->"] {
            assert!(parse(&wrapped(text), 1_000).is_ok(), "{text}");
        }
    }
}
