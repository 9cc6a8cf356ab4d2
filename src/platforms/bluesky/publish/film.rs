//! Videos go through the vendor's video service, which puts the finished film on the account's server as a blob: ask
//! whether there is room today, upload with a token that stands for the account, then look until it is done.

use std::time::Duration;

use atrium_api::com::atproto::server::get_service_auth;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::auth::host;
use super::super::wire::{Refused, Session, VIDEO, method, read, typed};
use super::{Journal, Uploaded};
use crate::domain::{Fault, Operation, Secret, Timestamp};
use crate::platforms::http::Answer;
use crate::platforms::words::file_name;
use crate::platforms::{Context, Delivery, File, Prepared};

/// How long an upload may take: 300 MB at 3 Mbit/s.
const UPLOAD_LIMIT: Duration = Duration::from_secs(15 * 60);
/// How long the upload's token is good for (seconds), as the vendor's app asks.
const TOKEN_LIFE: i64 = 30 * 60;
/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_secs(3);
/// After this the vendor is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A video being processed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The service's own id.
    pub(super) id: String,
    /// When it was uploaded.
    pub(super) since: Timestamp,
}

/// Uploads the video, or looks how far it is.
pub(super) async fn step(
    cx: &Context<'_>,
    session: &Session,
    delivery: &Delivery<'_>,
    file: &File,
    mut journal: Journal,
) -> Result<Prepared, Fault> {
    let answer = match &journal.job {
        None => upload(cx, session, delivery, file).await?,
        Some(job) => {
            if Duration::try_from(cx.now.duration_since(job.since)).unwrap_or_default() > PATIENCE {
                return Err(Fault::rejected("Bluesky did not finish the video within an hour", "Publish it again."));
            }
            look(cx, &job.id).await?
        }
    };
    // By the lexicon the status is wrapped; the live service answers it bare.
    let status = answer.get("jobStatus").unwrap_or(&answer);
    if let Ok(blob) = serde_json::from_value(status["blob"].clone()) {
        journal.blobs.push(Uploaded { blob, width: file.media.width, height: file.media.height });
        journal.job = None;
        // The blob is new, however long the processing took.
        journal.since = Some(cx.now);
        return Ok(Prepared::Step { journal: journal.write(), note: "the video is ready".to_owned() });
    }
    if status["state"] == "JOB_STATE_FAILED" {
        return Err(failed(status["failureCode"].as_str().unwrap_or_default()));
    }
    // A state that the lexicon does not list means that it goes on.
    if journal.job.is_none() {
        let id =
            status["jobId"].as_str().ok_or_else(|| Fault::transient("the video service's answer could not be read"))?;
        journal.job = Some(Job { id: id.to_owned(), since: cx.now });
    }
    let note = match status["progress"].as_u64() {
        Some(percent) => format!("processing the video, {percent} %"),
        None => "processing the video".to_owned(),
    };
    Ok(Prepared::Wait { journal: journal.write(), note, pause: PAUSE })
}

fn failed(code: &str) -> Fault {
    let why = match code {
        "validation_failure" | "encoding_failure" => "Bluesky could not process the video",
        "pds_upload_unsupported_blob_size" => "the account's server does not take a video of this size",
        "pds_upload_failure" => "Bluesky could not put the video on the account's server",
        _ => "Bluesky failed to process the video",
    };
    Fault::rejected(why, "Save it as MP4 (H.264), shorter if need be, and publish it again.")
}

async fn upload(cx: &Context<'_>, session: &Session, delivery: &Delivery<'_>, file: &File) -> Result<Value, Fault> {
    let service = format!("did:web:{}", host(VIDEO));
    let token = token(cx, session, &service, "app.bsky.video.getUploadLimits", None).await?;
    let limits = cx.http.call(Operation::Prepare, Method::GET, method(VIDEO, "app.bsky.video.getUploadLimits")?);
    let limits = success(cx, limits.bearer(&token).send().await?)?.json();
    let left = limits["remainingDailyBytes"].as_u64().unwrap_or(u64::MAX);
    if limits["canUpload"] == false || left < file.media.bytes {
        return Err(no_room(&limits));
    }
    let server = format!("did:web:{}", host(&session.pds));
    let until = cx.now.as_second() + TOKEN_LIFE;
    let token = self::token(cx, session, &server, "com.atproto.repo.uploadBlob", Some(until)).await?;
    let name = file_name(1, &file.media);
    let answer = cx
        .http
        .call(Operation::Prepare, Method::POST, method(VIDEO, "app.bsky.video.uploadVideo")?)
        .query([("did", delivery.account.remote_id.as_str()), ("name", &name)])
        .bearer(&token)
        .file(&file.media.mime, file.path.clone(), file.media.bytes)
        .time_limit(UPLOAD_LIMIT)
        .send()
        .await?;
    // The same film is there already: its job is the answer.
    let status = answer.json();
    if answer.status == 409 && status.get("jobStatus").unwrap_or(&status)["jobId"].is_string() {
        return Ok(status);
    }
    Ok(success(cx, answer)?.json())
}

/// The service says in a sentence why nothing can be uploaded; the usual two are told in ours.
fn no_room(limits: &Value) -> Fault {
    let said = limits["message"].as_str().or(limits["error"].as_str()).unwrap_or_default().to_lowercase();
    if said.contains("email") || said.contains("verified") {
        return Fault::rejected(
            "Bluesky takes videos only from accounts with a confirmed e-mail address",
            "Confirm yours in the Bluesky app under Settings, Account.",
        );
    }
    Fault::rejected("this account may not upload more videos today", "Try again tomorrow, or leave the video out.")
}

async fn look(cx: &Context<'_>, job: &str) -> Result<Value, Fault> {
    let call = cx.http.call(Operation::Prepare, Method::GET, method(VIDEO, "app.bsky.video.getJobStatus")?);
    Ok(success(cx, call.query([("jobId", job)]).send().await?)?.json())
}

fn success(cx: &Context<'_>, answer: Answer) -> Result<Answer, Fault> {
    if answer.is_success() { Ok(answer) } else { Err(Refused::new(Operation::Prepare, &answer, cx.now).fault) }
}

/// A token that lets `audience` do one thing for the account.
async fn token(
    cx: &Context<'_>,
    session: &Session,
    audience: &str,
    purpose: &str,
    until: Option<i64>,
) -> Result<Secret, Fault> {
    let parameters =
        get_service_auth::ParametersData { aud: audience.to_owned(), exp: until, lxm: Some(typed(purpose)?) };
    let server = session.api(cx, Operation::Prepare);
    let answer = server.service.com.atproto.server.get_service_auth(parameters.into()).await;
    Ok(Secret::new(&read(Operation::Prepare, answer)?.token))
}
