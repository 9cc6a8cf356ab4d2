//! The repository methods of a data server (`com.atproto.repo.*`): blobs and records. The lexicon rules stand in
//! `record`; sessions and budgets in `pds`.

use axum::extract::{Query, State};
use bytes::Bytes;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::pds::{Answer, Pds, Refused, ok};
use super::record::{check_blob, check_post, is_tid};
use super::state::{Account, POSTS};

pub(super) async fn upload_blob(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    // Only a takedown is looked at here: a deactivated account may be moving in.
    let account = server.session(&headers)?;
    server.not_taken_down(&account)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.ok_or_else(|| server.invalid("Request encoding (Content-Type) required but not provided"))?;
    if kind.contains('*') {
        // The server looks at the bytes and may get by, but a client that does not say what it sends gets a guess.
        server.network.violation(&format!("uploadBlob with Content-Type {kind}"));
    }
    let now = server.network.now();
    let (limit, budget) = server.network.state(|state| {
        let budget = state.knobs.rate_limits.then(|| state.throttles.blobs.spend(&account.did, 1, now));
        (state.knobs.blob_limit, budget)
    });
    if let Some(budget) = budget.filter(|budget| !budget.allowed) {
        return Err(server.limited(budget));
    }
    if body.len() > limit {
        return Err(server.refuse(Refusal::new(413, "PayloadTooLarge", "request entity too large")));
    }
    let blob = server.network.state(|state| state.store_blob(&account.did, kind, body, now));
    ok(json!({ "blob": blob_ref(&blob.cid, &blob.mime, blob.bytes.len()) }))
}

pub(super) fn blob_ref(cid: &str, mime: &str, size: usize) -> Value {
    json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": mime, "size": size })
}

#[derive(Deserialize)]
struct Write {
    repo: String,
    collection: String,
    rkey: Option<String>,
    validate: Option<bool>,
    #[serde(default)]
    record: Value,
}

pub(super) async fn create_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    write(&server, &headers, &body, false)
}

pub(super) async fn put_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    write(&server, &headers, &body, true)
}

/// The caller's own repository, which `repo` must name (`findAccount`, then the comparison).
fn own_repo(server: &Pds, account: &Account, repo: &str) -> Result<(), Refused> {
    let did = server.network.state(|state| state.served(&server.host, repo).map(|found| found.did.clone()));
    match did {
        Some(did) if did == account.did => Ok(()),
        Some(_) => {
            let refusal = Refusal::new(401, "AuthenticationRequired", "Authentication Required");
            Err(server.refuse(refusal.violating("a write to another repository")))
        }
        None => {
            let refusal = Refusal::new(403, "AccountNotFound", "Account not found");
            Err(server.refuse(refusal.violating("a write to an unknown repository")))
        }
    }
}

fn write(server: &Pds, headers: &HeaderMap, body: &[u8], replace: bool) -> Answer {
    let account = server.acting(headers)?;
    let mut ask: Write = server.input(headers, body)?;
    own_repo(server, &account, &ask.repo)?;
    let (did, collection) = (account.did, ask.collection);
    server.spend(&did, if replace { 2 } else { 3 })?;
    if !ask.record.is_object() {
        return Err(server.invalid("Input/record must be an object"));
    }
    match ask.record["$type"].as_str() {
        None => ask.record["$type"] = json!(collection),
        Some(kind) if kind != collection => {
            return Err(server.invalid(format!("Invalid $type: expected {collection}, got {kind}")));
        }
        Some(_) => {}
    }
    let now = server.network.now();
    if replace && ask.rkey.is_none() {
        return Err(server.invalid("Input must have the property \"rkey\""));
    }
    let known = collection == POSTS;
    if known && ask.rkey.as_deref().is_some_and(|rkey| !is_tid(rkey)) {
        let rkey = ask.rkey.unwrap_or_default();
        let what = format!("Invalid record key for {collection}: Invalid TID string (got \"{rkey}\") at $");
        return Err(server.invalid(what));
    }
    if known && ask.validate != Some(false) {
        let limit = server.network.state(|state| state.knobs.image_limit);
        let checked = check_post(&ask.record, limit).map_err(|refusal| server.refuse(refusal))?;
        checked.odd.iter().for_each(|odd| server.network.violation(odd));
        for named in &checked.blobs {
            let verdict = server.network.state(|state| {
                let stored = state.usable_blob(&did, &named.cid, now);
                check_blob(named, stored.map(|blob| (blob.mime.as_str(), blob.bytes.len() as u64)))
            });
            verdict.map_err(|refusal| server.refuse(refusal))?;
        }
    }
    let rkey = ask.rkey.unwrap_or_else(|| server.network.state(|state| state.free_tid(&did, &collection, now)));
    let taken = server.network.state(|state| state.record(&did, &collection, &rkey).is_some());
    if taken && !replace {
        // The tree throws on a key that exists, and nobody catches it (atproto repo/src/mst).
        return Err(server.refuse(Refusal::new(500, "InternalServerError", "Internal Server Error")));
    }
    let (cid, rev) = server.network.state(|state| {
        let rev = state.free_tid(&did, &collection, now);
        (state.put(&did, &collection, &rkey, ask.record), rev)
    });
    ok(json!({
        "uri": format!("at://{did}/{collection}/{rkey}"),
        "cid": cid,
        "commit": { "cid": cid, "rev": rev },
        "validationStatus": if known && ask.validate != Some(false) { "valid" } else { "unknown" },
    }))
}

#[derive(Deserialize)]
struct Delete {
    repo: String,
    collection: String,
    rkey: String,
}

pub(super) async fn delete_record(State(server): State<Pds>, headers: HeaderMap, body: Bytes) -> Answer {
    let account = server.acting(&headers)?;
    let ask: Delete = server.input(&headers, &body)?;
    own_repo(&server, &account, &ask.repo)?;
    server.spend(&account.did, 1)?;
    // Nothing there is fine: the method makes sure that it does not exist.
    server.network.state(|state| state.remove(&account.did, &ask.collection, &ask.rkey));
    ok(json!({}))
}

#[derive(Deserialize)]
pub(super) struct Get {
    repo: String,
    collection: String,
    rkey: String,
}

/// The DID of a repository that this host has.
fn repo(server: &Pds, repo: &str) -> Result<String, Refused> {
    let did = server.network.state(|state| state.served(&server.host, repo).map(|account| account.did.clone()));
    did.ok_or_else(|| server.refuse(Refusal::new(400, "InvalidRequest", format!("Could not find repo: {repo}"))))
}

pub(super) async fn get_record(State(server): State<Pds>, Query(ask): Query<Get>) -> Answer {
    let did = repo(&server, &ask.repo)?;
    let uri = format!("at://{did}/{}/{}", ask.collection, ask.rkey);
    let found = server.network.state(|state| state.record(&did, &ask.collection, &ask.rkey).cloned());
    match found {
        Some((cid, value)) => ok(json!({ "uri": uri, "cid": cid, "value": value })),
        None => Err(server.refuse(Refusal::new(400, "RecordNotFound", format!("Could not locate record: {uri}")))),
    }
}

#[derive(Deserialize)]
pub(super) struct List {
    repo: String,
    collection: String,
    limit: Option<usize>,
    cursor: Option<String>,
    reverse: Option<bool>,
}

pub(super) async fn list_records(State(server): State<Pds>, Query(ask): Query<List>) -> Answer {
    let limit = ask.limit.unwrap_or(50);
    if !(1..=100).contains(&limit) {
        return Err(server.invalid("limit must be between 1 and 100"));
    }
    let did = repo(&server, &ask.repo)?;
    let mut records = server.network.state(|state| state.records(&did, &ask.collection));
    let rising = ask.reverse == Some(true);
    if !rising {
        records.reverse();
    }
    if let Some(cursor) = &ask.cursor {
        records.retain(|record| if rising { record.rkey > *cursor } else { record.rkey < *cursor });
    }
    records.truncate(limit);
    let mut answer = json!({
        "records": records.iter().map(|one| json!({ "uri": one.uri, "cid": one.cid, "value": one.value })).collect::<Vec<_>>(),
    });
    if let Some(last) = records.last() {
        answer["cursor"] = json!(last.rkey);
    }
    ok(answer)
}
