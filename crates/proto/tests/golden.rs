//! Fails on an incompatible change of the `.proto` files.
//!
//! `proto/quorate/v1/api.golden` lists what was published. Nothing in it may be removed,
//! renumbered or retyped; what is new must be added to it, by
//! `UPDATE_GOLDEN=1 cargo test -p quorate-proto --test golden`, so that it is kept from then on.

use std::collections::BTreeSet;
use std::{env, fs};

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use quorate_proto::FILE_DESCRIPTOR_SET;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/quorate/v1/api.golden");

/// One line for each thing that others rely on.
fn summary(set: &FileDescriptorSet) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for file in &set.file {
        let package = file.package();
        for message in &file.message_type {
            summarise_message(&mut lines, package, message);
        }
        for enumeration in &file.enum_type {
            summarise_enum(&mut lines, package, enumeration);
        }
        for service in &file.service {
            for method in &service.method {
                lines.insert(format!(
                    "rpc {package}.{}.{} ({}{}) returns ({}{})",
                    service.name(),
                    method.name(),
                    if method.client_streaming() {
                        "stream "
                    } else {
                        ""
                    },
                    method.input_type(),
                    if method.server_streaming() {
                        "stream "
                    } else {
                        ""
                    },
                    method.output_type(),
                ));
            }
        }
    }
    lines
}

fn summarise_message(lines: &mut BTreeSet<String>, scope: &str, message: &DescriptorProto) {
    let scope = format!("{scope}.{}", message.name());
    lines.insert(format!("message {scope}"));
    for field in &message.field {
        lines.insert(summarise_field(&scope, message, field));
    }
    for range in &message.reserved_range {
        let numbers = range.start()..range.end();
        lines.extend(numbers.map(|number| format!("reserved {scope} = {number}")));
    }
    for nested in &message.nested_type {
        summarise_message(lines, &scope, nested);
    }
    for enumeration in &message.enum_type {
        summarise_enum(lines, &scope, enumeration);
    }
}

fn summarise_field(scope: &str, message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().to_owned(),
        scalar => scalar
            .as_str_name()
            .trim_start_matches("TYPE_")
            .to_lowercase(),
    };
    let presence = match (field.label(), field.oneof_index) {
        (Label::Repeated, _) => " repeated".to_owned(),
        (_, Some(_)) if field.proto3_optional() => " optional".to_owned(),
        (_, Some(index)) => format!(" oneof {}", message.oneof_decl[index as usize].name()),
        _ => String::new(),
    };
    format!(
        "field {scope}.{} = {} {kind}{presence}",
        field.name(),
        field.number()
    )
}

fn summarise_enum(lines: &mut BTreeSet<String>, scope: &str, enumeration: &EnumDescriptorProto) {
    for value in &enumeration.value {
        lines.insert(format!(
            "enum {scope}.{}.{} = {}",
            enumeration.name(),
            value.name(),
            value.number()
        ));
    }
}

fn current() -> FileDescriptorSet {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap()
}

fn missing<'a>(from: &'a BTreeSet<String>, of: &'a BTreeSet<String>) -> Vec<&'a String> {
    of.difference(from).collect()
}

#[test]
fn the_interface_is_compatible_with_what_was_published() {
    let current = summary(&current());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let lines: Vec<_> = current.iter().map(|line| format!("{line}\n")).collect();
        fs::write(GOLDEN, lines.concat()).unwrap();
    }
    let golden = fs::read_to_string(GOLDEN).unwrap();
    let golden: BTreeSet<String> = golden.lines().map(str::to_owned).collect();
    let broken = missing(&current, &golden);
    assert!(
        broken.is_empty(),
        "incompatible: these are gone or changed: {broken:#?}"
    );
    let new = missing(&golden, &current);
    assert!(
        new.is_empty(),
        "run with UPDATE_GOLDEN=1 to publish what is new: {new:#?}"
    );
}

/// The comparison itself: each kind of incompatible change leaves a golden line unmatched.
#[test]
fn every_incompatible_change_is_noticed() {
    type Change = fn(&mut FileDescriptorSet);
    fn file(set: &mut FileDescriptorSet) -> &mut prost_types::FileDescriptorProto {
        let with_pair =
            |file: &&mut prost_types::FileDescriptorProto| file.name().ends_with("replica.proto");
        set.file.iter_mut().find(with_pair).unwrap()
    }
    fn pair(set: &mut FileDescriptorSet) -> &mut DescriptorProto {
        file(set)
            .message_type
            .iter_mut()
            .find(|m| m.name() == "Pair")
            .unwrap()
    }
    fn refusal(set: &mut FileDescriptorSet) -> &mut DescriptorProto {
        file(set)
            .message_type
            .iter_mut()
            .find(|m| m.name() == "Refusal")
            .unwrap()
    }
    let changes: [(&str, Change); 10] = [
        ("field removed", |set| drop(pair(set).field.remove(2))),
        ("field renumbered", |set| {
            pair(set).field[2].number = Some(9)
        }),
        ("field retyped", |set| {
            pair(set).field[2].set_type(Type::Uint32)
        }),
        ("field renamed", |set| {
            pair(set).field[2].name = Some("sum".into())
        }),
        ("label changed", |set| {
            pair(set).field[2].set_label(Label::Repeated)
        }),
        ("presence lost", |set| {
            pair(set).field[1].proto3_optional = Some(false)
        }),
        ("message removed", |set| drop(file(set).message_type.pop())),
        ("enum value renumbered", |set| {
            refusal(set).enum_type[0].value[3].number = Some(99);
        }),
        ("method removed", |set| {
            drop(file(set).service[0].method.pop())
        }),
        ("method made streaming", |set| {
            file(set).service[0].method[0].server_streaming = Some(true);
        }),
    ];
    let golden = summary(&current());
    for (name, change) in changes {
        let mut set = current();
        change(&mut set);
        assert!(
            !missing(&summary(&set), &golden).is_empty(),
            "{name} was not noticed"
        );
    }
}

#[test]
fn every_enum_begins_with_unspecified() {
    let set = current();
    let nested = |message: &DescriptorProto| message.enum_type.clone();
    let enums: Vec<_> = set
        .file
        .iter()
        .flat_map(|file| {
            file.enum_type
                .iter()
                .cloned()
                .chain(file.message_type.iter().flat_map(nested))
        })
        .collect();
    assert!(!enums.is_empty());
    for enumeration in enums {
        let first = &enumeration.value[0];
        assert!(
            first.name().ends_with("_UNSPECIFIED"),
            "{}",
            enumeration.name()
        );
        assert_eq!(first.number(), 0);
    }
}
