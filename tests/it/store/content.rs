//! Accounts, grants, attempts, posts and media.

use serde_json::json;
use trypost::domain::Secret;
use trypost::domain::account::{AccountStatus, GrantState};
use trypost::domain::post::{Media, MediaKind, Options, PostStatus, RichText};
use trypost::store::{NewAttempt, Stage};

use super::{Bed, new_account, new_draft, new_grant, on_both, place, tokens};

on_both!(
    an_account_is_one_row_whatever_happens,
    a_grant_is_written_by_version,
    an_attempt_runs_once,
    a_draft_is_edited_until_it_goes_out
);

async fn an_account_is_one_row_whatever_happens(bed: &Bed) {
    let store = &bed.store;
    let (workspace, owner) = bed.workspace().await;
    let grant = bed.grant(&workspace.id).await;
    let (id, before) = store.connect_account(&new_account(&workspace.id, "host/7", Some(&grant))).await.unwrap();
    assert!(!before);
    store.set_active(&id, false).await.unwrap();
    store.set_shaky(&id, Some(bed.at(-5))).await.unwrap();
    assert_eq!(store.account(&workspace.id, &id).await.unwrap().unwrap().shaky_since, Some(bed.at(-5)));
    assert!(store.set_account_status(&id, AccountStatus::TokenExpired, Some("why"), Some("fix")).await.unwrap());
    assert!(!store.set_account_status(&id, AccountStatus::TokenExpired, Some("why"), None).await.unwrap());
    assert_eq!(store.account_counts().await.unwrap(), [("mastodon".to_owned(), "token_expired".to_owned(), 1)]);

    let (same, before) = store.connect_account(&new_account(&workspace.id, "host/7", Some(&grant))).await.unwrap();
    assert_eq!((same, before), (id.clone(), true));
    let account = store.account(&workspace.id, &id).await.unwrap().unwrap();
    assert_eq!((account.status, account.is_active, account.why), (AccountStatus::Connected, false, None));
    store.note_account(&id, "New name", None, Some("https://host/@x"), &json!({ "characters": 9 })).await.unwrap();
    let account = store.account_for_work(&id).await.unwrap().unwrap();
    assert_eq!((account.name.as_str(), &account.meta["characters"]), ("New name", &json!(9)));
    assert_eq!(store.accounts_of_grant(&grant).await.unwrap().len(), 1);

    store.move_account("mastodon", "host/7", "host/8").await.unwrap();
    assert_eq!(store.accounts_at("mastodon", "host/8").await.unwrap().len(), 1);
    let twin = bed.account(&workspace.id, "host/9", None).await;
    store.move_account("mastodon", "host/9", "host/8").await.unwrap();
    assert_eq!(store.accounts_at("mastodon", "host/9").await.unwrap()[0].id, twin, "never onto another's place");

    let post = bed.draft(&workspace.id, &owner, &[id.clone(), twin.clone()]).await;
    assert_eq!(store.disconnect_account(&id).await.unwrap(), [1]);
    assert_eq!(store.targets(&post).await.unwrap().len(), 1);
    assert_eq!(store.account(&workspace.id, &id).await.unwrap(), None);
    assert_eq!(store.accounts(&workspace.id).await.unwrap().len(), 1);
    store.drop_unused_grant(&grant).await.unwrap();
    assert!(store.grant(&grant).await.unwrap().is_none());
    let (back, before) = store.connect_account(&new_account(&workspace.id, "host/8", None)).await.unwrap();
    assert_eq!((back, before), (id, false), "the same row, newly connected");
}

async fn a_grant_is_written_by_version(bed: &Bed) {
    let store = &bed.store;
    let (workspace, _) = bed.workspace().await;
    let id = bed.grant(&workspace.id).await;
    bed.account(&workspace.id, "host/7", Some(&id)).await;
    assert_eq!(store.expiring_grants(bed.at(3601), 10).await.unwrap(), std::slice::from_ref(&id));
    assert!(store.expiring_grants(bed.at(3599), 10).await.unwrap().is_empty());

    assert!(store.claim_renewal(&id, 1, "a", bed.at(60)).await.unwrap());
    assert!(!store.claim_renewal(&id, 1, "b", bed.at(60)).await.unwrap());
    store.release_renewal(&id, "b").await.unwrap();
    assert!(!store.claim_renewal(&id, 1, "b", bed.at(60)).await.unwrap(), "only the holder gives it back");
    store.release_renewal(&id, "a").await.unwrap();
    assert!(store.claim_renewal(&id, 1, "b", bed.at(60)).await.unwrap());
    bed.pass(61);
    assert!(store.claim_renewal(&id, 1, "c", bed.at(60)).await.unwrap(), "a lease that ended is anyone's");

    assert!(store.renew_grant(&id, 1, &tokens("access-2", None, None)).await.unwrap());
    assert!(!store.renew_grant(&id, 1, &tokens("older", Some("older"), None)).await.unwrap());
    let grant = store.grant(&id).await.unwrap().unwrap();
    assert_eq!((grant.version, grant.tokens.access.expose()), (2, "access-2"));
    assert_eq!(grant.tokens.refresh.unwrap().expose(), "refresh-1", "nothing replaces something");
    assert_eq!(grant.tokens.expires_at, None);

    assert!(!store.kill_grant(&id, 1, "revoked").await.unwrap());
    assert!(store.kill_grant(&id, 2, "revoked").await.unwrap());
    assert!(!store.claim_renewal(&id, 3, "d", bed.at(60)).await.unwrap(), "the dead are not renewed");
    let dead = store.grant(&id).await.unwrap().unwrap();
    assert_eq!(dead.state, GrantState::Dead { since: bed.at(0), why: "revoked".to_owned() });
    let again = store.save_grant(&new_grant(&workspace.id, tokens("access-3", None, None))).await.unwrap();
    assert_eq!(again, id);
    assert_eq!(store.grant(&id).await.unwrap().unwrap().state, GrantState::Live);
    store.drop_unused_grant(&id).await.unwrap();
    assert!(store.grant(&id).await.unwrap().is_some(), "an account leans on it");
}

async fn an_attempt_runs_once(bed: &Bed) {
    let store = &bed.store;
    let (workspace, person) = bed.workspace().await;
    let account = bed.account(&workspace.id, "host/7", None).await;
    let new = |link: &str, state: &str| NewAttempt {
        workspace: workspace.id.clone(),
        person: person.clone(),
        platform: "mastodon".to_owned(),
        instance: Some("host".to_owned()),
        account: Some(account.clone()),
        place: place("1"),
        link: Secret::new(link),
        state: Secret::new(state),
        expires_at: bed.at(900),
    };
    let id = store.add_attempt(&new("link", "state")).await.unwrap();
    store.keep_for_attempt(&id, &Secret::new("verifier")).await.unwrap();
    let by_link = store.attempt_by_link(&Secret::new("link")).await.unwrap().unwrap();
    assert_eq!(by_link.id, id);
    let found = store.attempt_by_state(&Secret::new("state")).await.unwrap().unwrap();
    assert_eq!((found.stage, found.keep.unwrap().expose()), (Stage::Open, "verifier"));
    assert_eq!(store.open_attempt(&person, "mastodon").await.unwrap().unwrap().id, id);
    assert!(store.open_attempt(&person, "bluesky").await.unwrap().is_none());

    assert!(store.answer_attempt(&id).await.unwrap());
    assert!(!store.answer_attempt(&id).await.unwrap());
    store.reopen_attempt(&id).await.unwrap();
    assert!(store.answer_attempt(&id).await.unwrap());
    assert_eq!(store.interrupted_attempts(bed.at(1)).await.unwrap(), std::slice::from_ref(&id));
    store.found_for_attempt(&id, &Secret::new("{}"), &["a".to_owned()]).await.unwrap();
    store.pick_for_attempt(&id, &["a".to_owned(), "b".to_owned()]).await.unwrap();
    let attempt = store.attempt(&id).await.unwrap().unwrap();
    assert_eq!((attempt.stage, attempt.picked.len(), attempt.keep), (Stage::Found, 2, None));
    assert_eq!(attempt.consent.unwrap().expose(), "{}");
    assert!(store.end_attempt(&id, &[Stage::Open, Stage::Found], Stage::Done, "{}").await.unwrap());
    assert!(!store.end_attempt(&id, &[Stage::Found], Stage::Failed, "{}").await.unwrap());
    assert!(store.attempt(&id).await.unwrap().unwrap().consent.is_none());

    let late = store.add_attempt(&new("link 2", "state 2")).await.unwrap();
    assert!(store.add_attempt(&new("link 2", "state 3")).await.is_err(), "a link belongs to one attempt");
    bed.pass(901);
    assert!(!store.answer_attempt(&late).await.unwrap());
    store.sweep_talk(bed.at(0)).await.unwrap();
    assert!(store.attempt(&late).await.unwrap().is_none());
}

fn picture(name: &str) -> Media {
    Media {
        sha256: name.to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        bytes: 3,
        width: 1,
        height: 2,
        duration_ms: None,
        alt: Some("A loaf".to_owned()),
    }
}

async fn a_draft_is_edited_until_it_goes_out(bed: &Bed) {
    let store = &bed.store;
    let (workspace, author) = bed.workspace().await;
    let (one, two) = (bed.account(&workspace.id, "a", None).await, bed.account(&workspace.id, "b", None).await);
    let draft = new_draft(&workspace.id, &author, Some("album"));
    let (id, new) = store.add_draft(&draft, std::slice::from_ref(&one)).await.unwrap();
    assert!(new);
    assert_eq!(store.add_draft(&draft, &[]).await.unwrap(), (id.clone(), false));
    for name in ["p1", "p2"] {
        store.save_media(&picture(name)).await.unwrap();
        store.save_media(&picture(name)).await.unwrap();
        assert!(store.attach_media(&id, &picture(name)).await.unwrap());
    }
    assert!(!store.attach_media(&id, &picture("p1")).await.unwrap());
    store.set_alt(&id, "p2", None).await.unwrap();
    assert_eq!(store.media("p1").await.unwrap().unwrap().alt, None, "a description belongs to the post");
    assert!(store.media("p3").await.unwrap().is_none());
    assert!(store.media_in_use("p1").await.unwrap());

    assert!(store.set_post_text(&id, &RichText { plain: "Rye".to_owned(), marks: Vec::new() }).await.unwrap());
    let options = Options { silent: true, ..Options::default() };
    assert!(store.set_post_options(&id, &options).await.unwrap());
    assert!(store.choose_account(&id, &two, true).await.unwrap());
    assert!(store.choose_account(&id, &two, true).await.unwrap());
    assert!(store.choose_account(&id, &one, false).await.unwrap());
    let target = store.targets(&id).await.unwrap().remove(0);
    assert_eq!(target.account, two);
    store.set_target_options(&target.id, &options).await.unwrap();
    assert!(store.target(&target.id).await.unwrap().unwrap().options.silent);

    let post = store.post_by_number(&workspace.id, 1).await.unwrap().unwrap();
    assert_eq!((post.id.clone(), post.text.plain.as_str(), post.options.silent), (id.clone(), "Rye", true));
    let alts: Vec<Option<&str>> = post.media.iter().map(|one| one.alt.as_deref()).collect();
    assert_eq!(alts, [Some("A loaf"), None]);
    assert_eq!(store.posts(&workspace.id, &[PostStatus::Draft, PostStatus::Published], 5).await.unwrap().len(), 1);
    assert!(store.stale_drafts(bed.at(1)).await.unwrap().contains(&id));

    assert!(store.start_publishing(&id).await.unwrap());
    assert!(!store.start_publishing(&id).await.unwrap());
    assert!(!store.choose_account(&id, &one, true).await.unwrap());
    assert!(!store.set_post_text(&id, &RichText::default()).await.unwrap());
    assert!(!store.set_post_options(&id, &options).await.unwrap());
    assert!(!store.attach_media(&id, &picture("p2")).await.unwrap());
    assert!(!store.discard_draft(&id).await.unwrap());

    let empty = bed.draft(&workspace.id, &author, &[]).await;
    assert!(!store.start_publishing(&empty).await.unwrap(), "to nobody");
    assert!(store.discard_draft(&empty).await.unwrap());
    assert!(store.post(&empty).await.unwrap().is_none());
}
