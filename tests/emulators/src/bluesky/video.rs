//! The video service: takes an upload with a service token, works on it for some polls, and puts the blob on the
//! account's data server. It trusts service tokens only: their audience and method are checked as `verifyJwt` does.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pds::{Answer, Refused, bearer, ok};
use super::repo::blob_ref;
use super::state::{Account, Job, cid};
use super::token::Bad;
use super::{Bluesky, Refusal, VIDEO};
use crate::fixtures;

const UPLOAD_LIMITS: &str = "app.bsky.video.getUploadLimits";
/// The service uploads to the data server in the account's name, so that is what the token must allow.
const UPLOAD_BLOB: &str = "com.atproto.repo.uploadBlob";
/// What the vendor's app sends, each under its own type; the lexicon names the first only.
const KINDS: [&str; 5] = ["video/mp4", "video/mpeg", "video/webm", "video/quicktime", "image/gif"];
/// The states that a job goes through before it is done.
const STATES: [&str; 4] = ["JOB_STATE_CREATED", "JOB_STATE_ENCODING", "JOB_STATE_SCANNING", "JOB_STATE_UPLOADING"];
/// Seen of the real service; not published.
const DAILY_VIDEOS: usize = 25;
const DAILY_BYTES: usize = 10_000_000_000;

pub(super) fn router(network: Bluesky) -> Router {
    Router::new()
        .route("/xrpc/app.bsky.video.getUploadLimits", get(upload_limits))
        .route("/xrpc/app.bsky.video.uploadVideo", post(upload))
        .route("/xrpc/app.bsky.video.getJobStatus", get(job_status))
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .layer(DefaultBodyLimit::disable())
        .with_state(network)
}

async fn unknown(State(network): State<Bluesky>, request: Request) -> Answer {
    let what = format!("no {} {} at {VIDEO}", request.method(), request.uri().path());
    Err(Refused::new(&network, Refusal::new(501, "MethodNotImplemented", "Method Not Implemented").violating(what)))
}

/// The account that a service token speaks for. `audience` is what it must be made for, given the account.
fn caller(
    network: &Bluesky,
    headers: &HeaderMap,
    method: &str,
    audience: impl Fn(&Account) -> String,
) -> Result<Account, Refused> {
    let refuse = |error: &str, message: &str| Refused::new(network, Refusal::new(401, error, message));
    let token = bearer(headers).ok_or_else(|| refuse("AuthMissing", "missing jwt"))?;
    let (signer, now) = (network.state(|state| state.signer.clone()), network.now());
    let payload = signer.read(token, now).map_err(|bad| match bad {
        Bad::Invalid => refuse("BadJwt", "poorly formatted jwt"),
        Bad::Expired => refuse("JwtExpired", "jwt expired"),
    })?;
    let violating = |error: &str, message: String| {
        Refused::new(network, Refusal::new(401, error, message.clone()).violating(message))
    };
    let issuer = payload["iss"].as_str().unwrap_or_default();
    let account = network.state(|state| state.account(issuer).cloned());
    let account = account.ok_or_else(|| violating("BadJwt", "no service token".to_owned()))?;
    let wanted = audience(&account);
    if payload["aud"] != json!(wanted) {
        return Err(violating("BadJwtAudience", format!("jwt audience is {}, not {wanted}", payload["aud"])));
    }
    if payload["lxm"] != json!(method) {
        return Err(violating(
            "BadJwtLexiconMethod",
            format!("bad jwt lexicon method ({}), must match: {method}", payload["lxm"]),
        ));
    }
    Ok(account)
}

async fn upload_limits(State(network): State<Bluesky>, headers: HeaderMap) -> Answer {
    let account = caller(&network, &headers, UPLOAD_LIMITS, |_| format!("did:web:{VIDEO}"))?;
    let (refused, sizes) = network.state(|state| {
        let own = state.jobs.iter().filter(|job| job.did == account.did);
        (state.knobs.video_refused.clone(), own.map(|job| job.bytes.len()).collect::<Vec<_>>())
    });
    if let Some(message) = refused {
        return ok(
            json!({ "canUpload": false, "remainingDailyVideos": 0, "remainingDailyBytes": 0, "message": message }),
        );
    }
    ok(json!({
        "canUpload": sizes.len() < DAILY_VIDEOS,
        "remainingDailyVideos": DAILY_VIDEOS.saturating_sub(sizes.len()),
        "remainingDailyBytes": DAILY_BYTES.saturating_sub(sizes.iter().sum()),
    }))
}

#[derive(Deserialize)]
struct Upload {
    did: Option<String>,
    name: Option<String>,
}

async fn upload(State(network): State<Bluesky>, Query(ask): Query<Upload>, headers: HeaderMap, body: Bytes) -> Answer {
    let account = caller(&network, &headers, UPLOAD_BLOB, |account| format!("did:web:{}", account.pds))?;
    if ask.did.as_deref() != Some(&account.did) || ask.name.is_none_or(|name| name.is_empty()) {
        return Err(Refused::new(
            &network,
            Refusal::invalid("did and name are needed, and did must be the token's issuer"),
        ));
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return Err(Refused::new(&network, Refusal::invalid("Wrong request encoding (Content-Type)")));
    }
    if body.get(4..8) != Some(b"ftyp") && !(kind == "image/gif" && body.starts_with(b"GIF8")) {
        return Err(Refused::new(&network, Refusal::new(400, "InvalidRequest", "not a video")));
    }
    if body.len() > network.state(|state| state.knobs.video_limit) {
        return Err(Refused::new(&network, Refusal::new(413, "PayloadTooLarge", "video is too large")));
    }
    // What reaches the data server is a film, also of a GIF.
    let body = if kind == "image/gif" { Bytes::from(fixtures::mp4(1_000, 16, 16, body.len())) } else { body };
    let cid = cid(0x55, &body);
    let known = network.state(|state| state.jobs.iter().find(|job| job.did == account.did && job.cid == cid).cloned());
    if let Some(job) = known {
        let mut status = status(&network, &job);
        status["error"] = json!("already_exists");
        status["message"] = json!("Video already processed");
        return Ok((StatusCode::CONFLICT, axum::Json(status)).into_response());
    }
    let (job, wrap) = network.state(|state| {
        let job = Job { id: format!("job{}", state.jobs.len() + 1), did: account.did, cid, bytes: body, polls: 0 };
        state.jobs.push(job.clone());
        (job, state.knobs.wrap_job_status)
    });
    let status = json!({ "jobId": job.id, "did": job.did, "state": STATES[0], "progress": 0 });
    ok(if wrap { json!({ "jobStatus": status }) } else { status })
}

/// How a job stands now; a finished one has put its blob on the data server.
fn status(network: &Bluesky, job: &Job) -> Value {
    let now = network.now();
    network.state(|state| {
        let base = json!({ "jobId": job.id, "did": job.did });
        let with = |more: Value| {
            let mut status = base.clone();
            if let (Some(status), Value::Object(more)) = (status.as_object_mut(), more) {
                status.extend(more);
            }
            status
        };
        if job.polls <= state.knobs.video_polls {
            let at = usize::try_from(job.polls).unwrap_or(usize::MAX).min(STATES.len() - 1);
            let progress = u64::from(job.polls) * 100 / u64::from(state.knobs.video_polls + 1);
            return with(json!({ "state": STATES[at], "progress": progress }));
        }
        if let Some(code) = state.knobs.video_fails.clone() {
            return with(
                json!({ "state": "JOB_STATE_FAILED", "error": "failed to process video", "failureCode": code }),
            );
        }
        let blob = match state.blob(&job.did, &job.cid) {
            Some(blob) => blob.clone(),
            None => state.store_blob(&job.did, "video/mp4", job.bytes.clone(), now),
        };
        with(json!({
            "state": "JOB_STATE_COMPLETED", "progress": 100, "blob": blob_ref(&blob.cid, &blob.mime, blob.bytes.len()),
        }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobQuery {
    job_id: String,
}

async fn job_status(State(network): State<Bluesky>, Query(ask): Query<JobQuery>) -> Answer {
    let job = network.state(|state| {
        let job = state.jobs.iter_mut().find(|job| job.id == ask.job_id)?;
        job.polls += 1;
        Some(job.clone())
    });
    match job {
        Some(job) => ok(json!({ "jobStatus": status(&network, &job) })),
        None => Err(Refused::new(&network, Refusal::new(400, "InvalidRequest", "Job not found"))),
    }
}
