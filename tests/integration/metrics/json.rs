//! The figures as JSON: the document is what its schema says, and has the numbers of the page of metrics.

use serde_json::{Value, json};

use super::page::Page;
use super::tracker;
use crate::harness::{Tracker, built_with};

/// The schema, as it is installed.
fn schema() -> Value {
    serde_json::from_str(include_str!("../../../packaging/statistics.schema.json")).expect("the schema is JSON")
}

fn document(tracker: &Tracker) -> Value {
    let reply = tracker.get("/stats?mode=json");
    assert!(reply.head().contains("\r\nContent-Type: application/json"), "{}", reply.head());
    assert!(reply.is_whole(), "{}", reply.head());
    serde_json::from_slice(reply.body()).expect("JSON")
}

/// What is wrong with a value, with where it is: the part of JSON Schema that the schema uses. A member that it does not describe is wrong, too:
/// others may ignore those, but everything that the tracker writes is described.
fn problems(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema") {
        let inner = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => Vec::new(),
            "$ref" => {
                let name =
                    rule.as_str().and_then(|name| name.strip_prefix('#')).expect("a reference within the schema");
                problems(root, root.pointer(name).expect("a definition"), value, at)
            }
            "type" => wrong(is_of_type(rule, value), at, format!("is no {rule}")),
            "const" => wrong(rule == value, at, format!("is not {rule}")),
            "minimum" => wrong(value.as_f64() >= rule.as_f64() || !value.is_number(), at, format!("is below {rule}")),
            "anyOf" => {
                let mut branches = rule.as_array().expect("schemas").iter();
                wrong(branches.any(|schema| problems(root, schema, value, at).is_empty()), at, "fits none".into())
            }
            "items" => {
                let items = value.as_array().into_iter().flatten().enumerate();
                items.flat_map(|(index, item)| problems(root, rule, item, &format!("{at}/{index}"))).collect()
            }
            "required" => {
                let names = rule.as_array().expect("names").iter().filter_map(Value::as_str);
                let missing = names.filter(|name| value.is_object() && value.get(name).is_none());
                missing.map(|name| format!("{at}/{name} is missing")).collect()
            }
            "properties" | "additionalProperties" => members(root, keyword, rule, value, at),
            other => panic!("the keyword {other} is unknown here"),
        };
        found.extend(inner);
    }
    found
}

fn members(root: &Value, keyword: &str, rule: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, member) in value.as_object().into_iter().flatten() {
        let place = format!("{at}/{name}");
        match if keyword == "properties" { rule.get(name) } else { Some(rule) } {
            Some(schema) => found.extend(problems(root, schema, member, &place)),
            None => found.push(format!("{place} is not described")),
        }
    }
    found
}

fn wrong(holds: bool, at: &str, what: String) -> Vec<String> {
    if holds { Vec::new() } else { vec![format!("{at} {what}")] }
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("the type {other} is unknown here"),
    };
    rule.as_array().map_or_else(|| is(rule), |names| names.iter().any(is))
}

#[test]
fn the_document_is_as_its_schema_says() {
    if !built_with("metrics") {
        return;
    }
    let schema = schema();
    for tracker in [tracker(), Tracker::busy()] {
        let document = document(&tracker);
        assert_eq!(problems(&schema, &schema, &document, ""), [""; 0], "{document:#}");
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found() {
    if !built_with("metrics") {
        return;
    }
    let (schema, document) = (schema(), document(&tracker()));
    let found = |change: fn(&mut Value)| {
        let mut document = document.clone();
        change(&mut document);
        problems(&schema, &schema, &document, "").join(", ")
    };
    assert_eq!(
        found(|document| drop(document["peers"].as_object_mut().unwrap().remove("all"))),
        "/peers/all is missing"
    );
    assert_eq!(found(|document| document["torrents"] = json!("1")), "/torrents is no \"integer\"");
    assert_eq!(found(|document| document["torrents"] = json!(-1)), "/torrents is below 0");
    assert_eq!(found(|document| document["format"] = json!(2)), "/format is not 1");
    assert_eq!(found(|document| document["state"]["more"] = json!(0)), "/state/more is not described");
    assert_eq!(found(|document| document["renewals"][3] = Value::Null), "/renewals/3 is no \"integer\"");
    assert_eq!(found(|document| document["peers"]["ipv6"] = json!({"all": 0})), "/peers/ipv6/seeders is missing");
}

#[test]
fn it_has_the_numbers_of_the_page_of_metrics() {
    if !built_with("metrics") {
        return;
    }
    let tracker = Tracker::busy();
    let (document, page) = (document(&tracker), Page::of(&tracker));
    let number = |pointer: &str| document.pointer(pointer).and_then(Value::as_f64).expect("a number");
    let both = |pointer: &str| number(&format!("{pointer}/ipv4")) + number(&format!("{pointer}/ipv6"));
    assert_eq!(number("/torrents"), page.number("opentracker_torrents"));
    assert_eq!(number("/peers/all"), page.sum("opentracker_peers"));
    assert_eq!(number("/downloads_completed"), 3.0);
    assert_eq!((both("/requests/udp/announces"), both("/requests/http/announces")), (6.0, 1.0));
    assert_eq!(both("/requests/udp/datagrams"), page.sum("opentracker_udp_datagrams_total"));
    // the page was asked for over another connection
    assert_eq!(both("/requests/http/connections") + 1.0, page.sum("opentracker_http_connections_total"));
    assert_eq!((number("/http/errors/400"), number("/http/errors/404")), (1.0, 1.0));
    assert_eq!(number("/renewals/0"), 1.0);
    assert_eq!(number("/start_time_seconds"), page.number("process_start_time_seconds"));
    let switches = document["switches"].as_array().expect("switches");
    assert!(switches.contains(&json!("metrics")), "{switches:?}");
    assert!(number("/loop_turns/count") <= page.number("opentracker_loop_turn_seconds_count"));
}
