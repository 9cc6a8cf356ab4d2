//! What a call carries: bytes, a file or a multipart form, always with its exact length. It knows no vendor.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::header;
use serde_json::Value;

use crate::domain::fault::Fault;

/// A body before it is sent.
pub(super) enum Body {
    Empty,
    Bytes(Bytes),
    File(PathBuf, u64),
    Multipart(Vec<Part>),
}

/// One part of a multipart body.
pub struct Part {
    /// The field's name.
    pub name: String,
    /// What it holds.
    pub value: PartValue,
}

/// What a part holds.
pub enum PartValue {
    /// A text field.
    Text(String),
    /// JSON, sent as `application/json`.
    Json(Value),
    /// A file, sent with its exact length.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// The name the vendor sees.
        name: String,
        /// Its type.
        mime: String,
    },
}

impl Part {
    /// A text field.
    pub fn text(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: PartValue::Text(value.into()) }
    }
}

impl Body {
    /// Puts the body on a request; files are opened now and read while they are sent.
    ///
    /// # Errors
    /// [`Fault::Transient`] when a file can't be opened; nothing has been sent then.
    pub(super) async fn attach(self, request: reqwest::RequestBuilder) -> Result<reqwest::RequestBuilder, Fault> {
        Ok(match self {
            Self::Empty => request,
            Self::Bytes(bytes) => request.body(bytes),
            Self::File(path, bytes) => request.header(header::CONTENT_LENGTH, bytes).body(stream(&path).await?),
            Self::Multipart(parts) => {
                let mut form = reqwest::multipart::Form::new();
                for part in parts {
                    form = form.part(part.name, part.value.part().await?);
                }
                request.multipart(form)
            }
        })
    }
}

impl PartValue {
    async fn part(self) -> Result<reqwest::multipart::Part, Fault> {
        let unfit = |_| Fault::transient("a request could not be put together");
        match self {
            Self::Text(text) => Ok(reqwest::multipart::Part::text(text)),
            Self::Json(json) => {
                reqwest::multipart::Part::text(json.to_string()).mime_str("application/json").map_err(unfit)
            }
            Self::File { path, bytes, name, mime } => {
                let part = reqwest::multipart::Part::stream_with_length(stream(&path).await?, bytes);
                part.file_name(name).mime_str(&mime).map_err(unfit)
            }
        }
    }
}

async fn stream(path: &Path) -> Result<reqwest::Body, Fault> {
    let unreadable = |_| Fault::transient("a file to upload could not be read");
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    Ok(reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(file)))
}
