//! One message with a line per field and what became of it, as several commands print it.

use std::{fs, path::Path};

use eruca_message::StoredMessage;

use super::Call;
use crate::{CommandError, message_text, ops};

/// How bodies are printed with `-f`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// UTF-8.
    Utf8,
    /// One character per byte.
    Latin1,
}

/// The format that option `-f` asks for.
pub(super) fn body_format(call: &Call<'_>) -> Result<Option<BodyFormat>, CommandError> {
    let Some(name) = call.arguments.value("f") else { return Ok(None) };
    match name.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => Ok(Some(BodyFormat::Utf8)),
        "ISO-8859-1" | "LATIN1" | "US-ASCII" | "ASCII" => Ok(Some(BodyFormat::Latin1)),
        _ => Err(call.arguments.invalid("f", "UTF-8, ISO-8859-1 or US-ASCII").into()),
    }
}

/// Prints `message`, writes its body to a file, and prints what became of it in every group.
pub(super) async fn print(
    call: &mut Call<'_>,
    message: &StoredMessage,
    format: Option<BodyFormat>,
) -> Result<(), CommandError> {
    writeln!(call.out, "{:<20} {}", "OffsetID:", message.offset_message_id())?;
    let name = message_text::file_name(&message.message_id());
    print_fields(call, message, &name).await?;
    if let Some(format) = format {
        writeln!(call.out, "{:<20} {}", "Message Body:", body_text(&message.message.body, format))?;
    }
    for track in print_tracks_head(call, message).await? {
        writeln!(call.out, "{track}")?;
    }
    Ok(())
}

/// As [`print`], in the shape in which a message that was found by its unique key is shown. `number`: which of several
/// with this key it is.
pub(super) async fn print_found(
    call: &mut Call<'_>,
    message: &StoredMessage,
    number: usize,
) -> Result<(), CommandError> {
    let mut name = message_text::file_name(&message.message_id());
    if number > 0 {
        name.push_str(&format!("_{number}"));
    }
    print_fields(call, message, &name).await?;
    for track in print_tracks_head(call, message).await? {
        write!(call.out, "{track}")?;
    }
    Ok(())
}

/// Prints the fields, and writes the body to the file `name`.
async fn print_fields(call: &mut Call<'_>, message: &StoredMessage, name: &str) -> Result<(), CommandError> {
    let path = save_body(message, &call.world.body_dir, name)?;
    for (name, value) in message_text::fields(message, &call.world.local_time) {
        writeln!(call.out, "{name:<20} {value}")?;
    }
    writeln!(call.out, "{:<20} {path}", "Message Body Path:")?;
    Ok(())
}

/// Finds out what became of the message, and prints what comes before it.
async fn print_tracks_head(
    call: &mut Call<'_>,
    message: &StoredMessage,
) -> Result<Vec<ops::MessageTrack>, CommandError> {
    let tracks = ops::message_tracks(call.admin, message).await?;
    write!(call.out, "\n\n")?;
    if tracks.is_empty() {
        write!(call.out, "WARN: No Consumer")?;
    }
    Ok(tracks)
}

fn body_text(body: &[u8], format: BodyFormat) -> String {
    match format {
        BodyFormat::Utf8 => String::from_utf8_lossy(body).into_owned(),
        BodyFormat::Latin1 => body.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn save_body(message: &StoredMessage, dir: &Path, name: &str) -> Result<String, CommandError> {
    let path = dir.join(name);
    let failed = |source| CommandError::File { path: path.display().to_string(), source };
    fs::create_dir_all(dir).map_err(failed)?;
    fs::write(&path, &message.message.body).map_err(failed)?;
    Ok(path.display().to_string())
}
