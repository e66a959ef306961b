//! Frames that Java peers sent, from the committed selection and, where it lies beside the repository, from the
//! whole capture.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use bytes::{BufMut, BytesMut};
use serde_json::Value;

/// One captured frame.
pub(crate) struct Golden {
    /// File and line of the capture.
    pub(crate) origin: String,
    /// Code of the request, of an answer too; none where the request was not captured.
    pub(crate) request_code: Option<i64>,
    /// The header as the capture's own reader understood it.
    pub(crate) header: Value,
    /// Whether the header is in binary form.
    pub(crate) is_binary: bool,
    /// The header as sent.
    pub(crate) header_bytes: Vec<u8>,
    /// The body as sent, cut where it is long.
    pub(crate) body: Vec<u8>,
    /// Whether the body was not cut.
    pub(crate) body_is_whole: bool,
}

impl Golden {
    /// The frame as it was on the wire; with what there is of the body.
    pub(crate) fn frame(&self) -> BytesMut {
        let mut frame = BytesMut::new();
        frame.put_u32((4 + self.header_bytes.len() + self.body.len()) as u32);
        frame.put_u32(u32::from(self.is_binary) << 24 | self.header_bytes.len() as u32);
        frame.put_slice(&self.header_bytes);
        frame.put_slice(&self.body);
        frame
    }

    /// Whether this is an answer.
    pub(crate) fn is_response(&self) -> bool {
        self.header["flag"].as_i64().is_some_and(|flag| flag & 1 == 1)
    }
}

/// All frames that there are.
pub(crate) fn frames() -> Vec<Golden> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut frames = committed(&root.join("tests/data/frames.jsonl"));
    let capture = root.join("../../../shared/golden/wire");
    if let Ok(files) = fs::read_dir(capture) {
        let mut paths: Vec<_> = files.map(|file| file.expect("a folder that can be listed").path()).collect();
        paths.sort();
        for path in paths {
            frames.extend(captured(&path));
        }
    }
    assert!(frames.len() > 200, "the committed selection has more frames than {}", frames.len());
    frames
}

/// A body that a Java class wrote.
pub(crate) struct JavaBody {
    /// Name of the class.
    pub(crate) name: String,
    /// Which form.
    pub(crate) form: String,
    /// What was written.
    pub(crate) text: String,
}

/// Bodies that Java classes wrote.
pub(crate) fn committed_bodies() -> Vec<JavaBody> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bodies.jsonl");
    let body = |line: Value| JavaBody {
        name: text(&line, "type"),
        form: text(&line, "form"),
        text: text(&line, "text"),
    };
    lines(&path).into_iter().skip(1).map(body).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn committed(path: &Path) -> Vec<Golden> {
    let lines = lines(path).into_iter().skip(1);
    lines
        .map(|line| golden(&line, text(&line, "origin"), line["request_code"].as_i64(), "encoding"))
        .collect()
}

fn captured(path: &Path) -> Vec<Golden> {
    let mut requests = HashMap::new();
    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
    let mut frames = Vec::new();
    for (number, line) in lines(path).into_iter().enumerate() {
        // Other protocols have no header; a very long one was cut by the capture.
        if line["header_hex"].as_str().is_none_or(|hex| hex.len() >= 2 * 4096) {
            continue;
        }
        let is_response = line["header"]["flag"].as_i64().is_some_and(|flag| flag & 1 == 1);
        let from_client = (text(&line, "dir") == "c2s") != is_response;
        let call =
            (text(&line, "link"), line["conn"].to_string(), line["header"]["opaque"].as_i64(), from_client);
        let code = if is_response { requests.get(&call).copied() } else { line["header"]["code"].as_i64() };
        requests.extend(code.map(|code| (call, code)));
        frames.push(golden(&line, format!("{name}:{}", number + 1), code, "serializeType"));
    }
    frames
}

fn golden(line: &Value, origin: String, request_code: Option<i64>, encoding: &str) -> Golden {
    let body = unhex(&text(line, "body_hex"));
    let body_is_whole =
        line["body_is_whole"].as_bool().unwrap_or(line["body_len"].as_u64() == Some(body.len() as u64));
    Golden {
        origin,
        request_code,
        header: line["header"].clone(),
        is_binary: text(line, encoding) == "ROCKETMQ",
        header_bytes: unhex(&text(line, "header_hex")),
        body,
        body_is_whole,
    }
}

fn text(line: &Value, member: &str) -> String {
    line[member].as_str().unwrap_or_default().to_owned()
}

/// Bytes of hexadecimal digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
