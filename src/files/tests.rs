//! Files of each kind, good and bad.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;

use super::*;
use crate::engine::events::event::{EventDraft, EventTypes, Timestamp};
use crate::engine::events::item::Item;
use crate::generate::{
    GenerateSettings, GeneratedEvent, Generator, ITEM_CSV_HEADER, write_item_csv, write_item_json,
};

fn source(text: impl Into<Vec<u8>>) -> Source {
    Source::new("f".to_owned(), Cursor::new(text.into()), None).unwrap()
}

fn events(text: &str) -> Vec<Result<OwnedEvent, String>> {
    let file = EventFile::read(source(text), FileFormat::Csv, &Reading::default()).unwrap();
    file.map(|row| row.map_err(|error| error.to_string())).collect()
}

fn row(event: &Result<OwnedEvent, String>) -> &EventDraft<'static> {
    match event {
        Ok(OwnedEvent { content: EventContent::Event(event), .. }) => event,
        other => panic!("not a row: {other:?}"),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn put(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn error(result: Result<EventFile, FileError>) -> String {
    result.err().expect("the file should have been refused").to_string()
}

#[test]
fn events_come_back_from_every_format_and_compression() {
    let settings = GenerateSettings { users: 20, items: 30, events: 500, ..GenerateSettings::default() };
    let generator = Generator::new(settings).unwrap();
    let (mut json, mut csv) = (Vec::new(), GeneratedEvent::CSV_HEADER.as_bytes().to_vec());
    for event in generator.events() {
        event.write_json(&mut json).unwrap();
        json.push(b'\n');
        event.write_csv(&mut csv).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for (end, packed) in [("", None), (".gz", Some(gzip as fn(&[u8]) -> Vec<u8>)), (".zst", Some(zstd))] {
        let pack = |bytes: &[u8]| packed.map_or_else(|| bytes.to_vec(), |pack| pack(bytes));
        let path = put(&folder, &format!("e.csv{end}"), &pack(&csv));
        let file = EventFile::open(&path, None).unwrap();
        let progress = file.progress();
        let found: Vec<_> = file.map(|event| event.map_err(|error| error.to_string())).collect();
        let expected: Vec<_> = generator.events().map(|event| event.draft()).collect();
        assert_eq!(found.iter().map(row).cloned().collect::<Vec<_>>(), expected);
        assert_eq!(progress.total(), Some(fs::metadata(&path).unwrap().len()));
        assert_eq!(Some(progress.position()), progress.total());
        assert_eq!(found.last().unwrap().as_ref().unwrap().line, expected.len() as u64 + 1);

        let path = put(&folder, &format!("e.jsonl{end}"), &pack(&json));
        let mut lines = Vec::new();
        for event in EventFile::open(&path, None).unwrap() {
            let EventContent::Json(line) = event.unwrap().content else { panic!("a line of JSON") };
            lines.extend(line);
            lines.push(b'\n');
        }
        assert_eq!(lines, json);
    }
}

#[test]
fn items_come_back_from_every_format() {
    let generator = Generator::new(GenerateSettings { items: 300, ..GenerateSettings::default() }).unwrap();
    let (mut json, mut csv) = (Vec::new(), ITEM_CSV_HEADER.as_bytes().to_vec());
    for item in generator.items() {
        write_item_json(item, &mut json).unwrap();
        json.push(b'\n');
        write_item_csv(item, &mut csv).unwrap();
    }
    let contents = |text: Vec<u8>, format| {
        let file = ItemFile::read(source(text), format, &Reading::default()).unwrap();
        file.map(|item| item.unwrap().content).collect::<Vec<_>>()
    };
    let expected: Vec<_> = generator.items().iter().cloned().map(ItemContent::Item).collect();
    assert_eq!(contents(csv, FileFormat::Csv), expected);
    let ItemContent::Json(first) = &contents(json, FileFormat::Jsonl)[0] else { panic!("a line of JSON") };
    let first: serde_json::Value = serde_json::from_slice(first).unwrap();
    assert_eq!(first["title"], generator.items()[0].title.as_deref().unwrap());
    assert_eq!(first["created_at"], generator.items()[0].created_at.unwrap().0);
}

#[test]
fn columns_stand_in_any_order_and_unknown_ones_are_ignored() {
    let found = events(
        "\u{feff}ts,mood, type,item_id,user_id,categories\n1970-01-01T00:00:01.5Z,happy,view,\"i,1\",\"u\"\"1\",a|b\n",
    );
    let row = row(&found[0]);
    assert_eq!(
        (row.user_id.as_deref(), row.item_id.as_deref(), row.ts),
        (Some("u\"1"), Some("i,1"), Some(1500))
    );
    assert_eq!(row.categories, ["a", "b"]);
    assert_eq!((&row.event_id, row.value), (&None, None));
    assert!(row.check(&EventTypes::default()).is_ok());
    let json = serde_json::to_string(row).unwrap();
    assert_eq!(json, r#"{"user_id":"u\"1","item_id":"i,1","type":"view","ts":1500,"categories":["a","b"]}"#);
}

#[test]
fn a_bad_row_is_named_and_the_next_one_is_read() {
    let text = "user_id,item_id,type,ts,value\n\
                u,i,view,yesterday,\n\
                u,i,view,5\n\
                u,i,view,5,NaN\n\
                \n\
                ,i,view,5,\n\
                u,\"two\nlines\",view,,\n\
                u,i,view,6,1.5\n\
                u,i,view,7,";
    let time = "expected milliseconds since 1970 or a time like 2026-01-31T12:00:00Z";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let found = events(&text);
        let errors: Vec<_> = found.iter().filter_map(|row| row.as_ref().err().cloned()).collect();
        assert_eq!(
            errors,
            [
                format!("f:2 `ts` is `yesterday`, {time}"),
                "f:3 has 4 cells, expected 5 as in the header row".to_owned(),
                "f:4 `value` is `NaN`, expected a finite number".to_owned(),
                "f:6 `user_id` is ``, expected text that is not empty".to_owned(),
                format!("f:7 `ts` is ``, {time}"),
            ]
        );
        assert_eq!(found.len(), 7);
        assert_eq!((row(&found[5]).ts, row(&found[5]).value), (Some(6), Some(1.5)));
        assert_eq!((row(&found[6]).ts, row(&found[6]).value), (Some(7), None));
        assert_eq!(found[6].as_ref().unwrap().line, 10);
    }
}

#[test]
fn a_quote_that_is_never_closed_is_named_by_its_line() {
    let found = events("user_id,item_id,type,ts\nu,i,view,1\nu,\"i,view,2\nu,i,view,3\n");
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].as_ref().unwrap_err(), "f:3 has 2 cells, expected 4 as in the header row");
}

#[test]
fn text_that_is_not_utf8_is_a_bad_row() {
    let text = b"user_id,item_id,type,ts\nu\xff,i,view,1\nu,i,view,2\n".to_vec();
    let found: Vec<_> =
        EventFile::read(source(text), FileFormat::Csv, &Reading::default()).unwrap().collect();
    assert!(
        found[0]
            .as_ref()
            .unwrap_err()
            .to_string()
            .starts_with("f:2 `user_id` is `u\u{fffd}`, expected UTF-8")
    );
    assert!(found[1].is_ok());
}

#[test]
fn a_header_without_the_required_columns_is_refused_with_what_is_there() {
    let open = |text: &str| error(EventFile::read(source(text), FileFormat::Csv, &Reading::default()));
    assert_eq!(
        open("user,item_id,kind,ts\n"),
        "f:1 has no column `user_id`, `type`; its columns are `user`, `item_id`, `kind`, `ts`; did you mean `user_id` \
         by `user`? Say so with --map user=user_id"
    );
    assert_eq!(
        open(""),
        "f is empty, expected a header row with at least `user_id`, `item_id`, `type`, `ts`"
    );
    assert_eq!(open("ts,ts\n"), "f:1 has the column `ts` twice, expected once");
    assert!(events("user_id,item_id,type,ts\n").is_empty());
    let none = EventFile::read(source(""), FileFormat::Jsonl, &Reading::default()).unwrap().count();
    assert_eq!(none, 0);
}

#[test]
fn lines_of_json_are_handed_out_untouched_with_their_numbers() {
    let text = "\u{feff}{\"a\": 1 }\r\n\n  \nnot json\n{\"b\":2}";
    let found: Vec<_> = EventFile::read(source(text), FileFormat::Jsonl, &Reading::default())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let line = |line, text: &str| OwnedEvent { line, content: EventContent::Json(text.into()) };
    assert_eq!(found, [line(1, "{\"a\": 1 }"), line(4, "not json"), line(5, "{\"b\":2}")]);
}

/// The rows of a text as JSON, with their lines, or what is wrong.
fn rows(text: impl Into<Vec<u8>>) -> Vec<Result<(u64, String), String>> {
    let file = EventFile::read(source(text), FileFormat::Jsonl, &Reading::default()).unwrap();
    let row = |row: OwnedEvent| match row.content {
        EventContent::Json(bytes) => (row.line, String::from_utf8(bytes).unwrap()),
        EventContent::Event(event) => panic!("not JSON: {event:?}"),
    };
    file.map(|found| found.map(row).map_err(|error| error.to_string())).collect()
}

#[test]
fn the_elements_of_an_array_are_rows_and_know_their_lines() {
    let row = |line, text: &str| Ok((line, text.to_owned()));
    let text = "\u{feff}\n [ {\"a\": \"],}\\\"\"},\n\n  {\"b\":\n [1, {}]} , 5,\n\"x\",, ]\n \n";
    let expected =
        [row(2, r#"{"a": "],}\""}"#), row(4, "{\"b\":\n [1, {}]}"), row(5, "5"), row(6, "\"x\""), row(6, "")];
    assert_eq!(rows(text), expected);
    assert_eq!(rows(text.replace('\n', "\r\n").replace(":\r\n", ":\n")).len(), expected.len());
    assert_eq!((rows("[]"), rows(" [\n]"), rows("")), (vec![], vec![], vec![]));
    assert_eq!(rows("\n\n{}\n[]"), [row(3, "{}"), row(4, "[]")], "lines are lines");
    // However it comes in.
    let mut slow =
        Source::new("f".to_owned(), Cursor::new(b"[{},".to_vec()).chain(Cursor::new(b"{}]".to_vec())), None)
            .unwrap();
    assert_eq!(begins(&mut slow).unwrap(), (0, true));
    let mut slow = Elements::new(slow, 0);
    assert_eq!(std::iter::from_fn(|| slow.next()).map(Result::unwrap).count(), 2);
}

#[test]
fn an_array_that_is_not_whole_is_an_error_and_the_end() {
    let open = rows("[{\"a\": 1},\n{\"b\"");
    assert_eq!(open[0], Ok((1, "{\"a\": 1}".to_owned())));
    let unfinished = "f breaks off after line 2: the array that it begins with does not end";
    assert_eq!(open[1..], [Err(unfinished.to_owned())]);
    let more = rows("[{}]\n[{}]");
    let follows = "f breaks off after line 2: something follows the array that it begins with";
    assert_eq!(more[1..], [Err(follows.to_owned())]);
}

#[test]
fn an_element_that_is_too_long_is_passed_over() {
    let long = "x".repeat(MAX_LINE_BYTES);
    let found = rows(format!("[1,\n\"{long}\",\n3]"));
    assert_eq!(
        found[1],
        Err("f:2 is longer than 16777216 bytes, expected one JSON object a line".to_owned())
    );
    assert_eq!(found[2..], [Ok((3, "3".to_owned()))]);
    let fits = rows(format!("[\"{}\"]", &long[2..]));
    assert_eq!(fits.len(), 1);
    assert!(fits[0].is_ok());
}

#[test]
fn a_table_is_read_by_its_own_separator_and_names() {
    let mut renames = Renames::default();
    renames.add("who=user_id").unwrap();
    let reading = Reading { separator: b';', renames, ..Reading::default() };
    let text = "who;item_id;type;ts;category\nu;i,1;view;5;x\n";
    let mut file = EventFile::read(source(text), FileFormat::Csv, &reading).unwrap();
    assert_eq!(
        file.warnings(),
        ["f:1 has the column `category`, which is left out: did you mean `categories`? \
          Say so with --map category=categories"]
    );
    let first = file.next().unwrap().map_err(|error| error.to_string());
    assert_eq!((row(&first).user_id.as_deref(), row(&first).item_id.as_deref()), (Some("u"), Some("i,1")));
    let refused = |text: &str| error(EventFile::read(source(text), FileFormat::Csv, &Reading::default()));
    assert!(refused(text).ends_with("; they seem to be separated otherwise: try --separator ';'"));
    assert!(
        refused("userId,item_id,type,ts\n")
            .ends_with("; did you mean `user_id` by `userId`? Say so with --map userId=user_id")
    );
    let items = ItemFile::read(source("item_id,type\n"), FileFormat::Csv, &Reading::default()).err();
    assert_eq!(
        items.unwrap().to_string(),
        "f:1 has `type`: these look like events, so name the file without --items"
    );
}

#[test]
fn a_line_that_is_too_long_is_skipped() {
    let mut text = b"1\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', MAX_LINE_BYTES + 1));
    text.extend(b"\n3\n");
    let found: Vec<_> =
        EventFile::read(source(text), FileFormat::Jsonl, &Reading::default()).unwrap().collect();
    assert_eq!(found.len(), 3);
    let message = found[1].as_ref().unwrap_err().to_string();
    assert_eq!(message, "f:2 is longer than 16777216 bytes, expected one JSON object a line");
    assert_eq!(found[2].as_ref().unwrap().line, 3);
}

#[test]
fn the_name_tells_the_format_and_the_bytes_tell_the_compression() {
    let folder = tempfile::tempdir().unwrap();
    let misnamed = put(&folder, "e.CSV", &zstd(b"user_id,item_id,type,ts\nu,i,view,1\n"));
    assert_eq!(EventFile::open(&misnamed, None).unwrap().count(), 1);
    let unnamed = put(&folder, "events.gz", &gzip(b"{}\n{}\n"));
    assert!(error(EventFile::open(&unnamed, None)).contains("expected .jsonl, .ndjson, .json or .csv"));
    assert_eq!(EventFile::open(&unnamed, Some(FileFormat::Jsonl)).unwrap().count(), 2);
    assert!(
        error(EventFile::open(Path::new("-"), None)).starts_with("cannot tell the format of standard input")
    );
    assert!(error(EventFile::open(&folder.path().join("no.csv"), None)).starts_with("cannot open "));
    assert!(error(EventFile::open(folder.path(), Some(FileFormat::Csv))).ends_with("it is a directory"));
}

#[test]
fn a_truncated_archive_is_an_error_and_the_end() {
    let text = "{\"some\":\"thing\"}\n".repeat(100_000);
    for packed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        let cut = packed[..packed.len() - 20].to_vec();
        let found: Vec<_> =
            EventFile::read(source(cut), FileFormat::Jsonl, &Reading::default()).unwrap().collect();
        let last = found.last().unwrap().as_ref().unwrap_err();
        assert!(last.is_final() && last.to_string().contains("f breaks off after line "), "{last}");
        assert_eq!(found.iter().filter(|row| row.is_err()).count(), 1);
    }
    let mut csv = b"user_id,item_id,type,ts\n".to_vec();
    csv.extend(b"u,i,view,1\n".repeat(100_000));
    let packed = zstd(&csv);
    let cut = packed[..packed.len() - 5].to_vec();
    let found: Vec<_> = EventFile::read(source(cut), FileFormat::Csv, &Reading::default()).unwrap().collect();
    assert!(found.last().unwrap().is_err() && found.iter().filter(|row| row.is_err()).count() == 1);
}

#[test]
fn an_items_cells_are_read_by_their_kind() {
    let text = "item_id,categories,created_at,created_src,available,attributes,title\n\
                a,x|y,-5,publisher,0,lang=en|size=a=b,\"Ti,tle\"\n\
                b,,,,maybe,,\n\
                c,,,,,lang,\n\
                d,,,,,,\n";
    let file = ItemFile::read(source(text), FileFormat::Csv, &Reading::default()).unwrap();
    let found: Vec<_> = file.map(|item| item.map_err(|error| error.to_string())).collect();
    let mut expected = Item::new("a", ["x", "y"]);
    expected.created_at = Some(Timestamp(-5));
    expected.available = false;
    expected.title = Some("Ti,tle".to_owned());
    expected.attributes = [("lang", "en"), ("size", "a=b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(found[0].as_ref().unwrap().content, ItemContent::Item(expected));
    assert_eq!(found[1].as_ref().unwrap_err(), "f:3 `available` is `maybe`, expected true or false");
    assert_eq!(
        found[2].as_ref().unwrap_err(),
        "f:4 `attributes` is `lang`, expected key=value, with | between entries"
    );
    let plain = Item::new("d", [""; 0]);
    assert_eq!(found[3].as_ref().unwrap().content, ItemContent::Item(plain));
}

/// The clickstreams that the project is developed on, where they are.
#[test]
fn real_files_are_read_whole() {
    let folder = std::env::var("HEADWATER_DATA").unwrap_or_else(|_| "../shared/data".to_owned());
    for (name, events, items) in [("news", 710_736, 16_092), ("movies", 100_836, 9_742)] {
        let path = Path::new(&folder).join(name);
        if !path.exists() {
            continue;
        }
        let file = EventFile::open(&path.join("events.csv.zst"), None).unwrap();
        assert_eq!(file.map(Result::unwrap).count(), events);
        let file = ItemFile::open(&path.join("items.csv.zst"), None).unwrap();
        assert_eq!(file.map(Result::unwrap).count(), items);
    }
}
