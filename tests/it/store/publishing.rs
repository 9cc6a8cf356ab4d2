//! Targets: claims, the journal, accepted sends and a person's word.

use serde_json::json;
use trypost::domain::id::{AccountId, PostId};
use trypost::domain::post::{PostStatus, Posted, TargetStatus};
use trypost::store::Claimed;

use super::{Bed, on_both};

on_both!(
    a_claim_is_a_lease,
    a_send_is_journalled_before_and_after,
    a_post_in_pieces_counts_each,
    who_takes_over_a_file_waits_only_for_what_left,
    a_persons_word_decides_what_nobody_knows,
    work_is_put_off_and_woken
);

fn posted(id: &str) -> Posted {
    Posted { id: id.to_owned(), url: Some(format!("https://host/{id}")), meta: json!({}) }
}

/// A post on its way to two accounts.
async fn under_way(bed: &Bed) -> (PostId, AccountId) {
    let (workspace, author) = bed.workspace().await;
    let one = bed.account(&workspace.id, "a", None).await;
    bed.pass(1);
    let two = bed.account(&workspace.id, "b", None).await;
    let post = bed.draft(&workspace.id, &author, &[one.clone(), two]).await;
    assert!(bed.store.start_publishing(&post).await.unwrap());
    (post, one)
}

async fn claim(bed: &Bed, holder: &str) -> Vec<Claimed> {
    bed.store.claim_targets(holder, bed.at(30), 10).await.unwrap()
}

async fn a_claim_is_a_lease(bed: &Bed) {
    let store = &bed.store;
    let (post, account) = under_way(bed).await;
    assert_eq!(store.queue_length().await.unwrap(), 2);
    assert_eq!(store.targets_waiting_for(&account).await.unwrap(), [(post.clone(), 1)]);
    assert_eq!(store.next_target_due().await.unwrap(), Some(bed.at(0)));
    let first = store.claim_targets("a", bed.at(30), 1).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(claim(bed, "b").await.len(), 1);
    assert!(claim(bed, "c").await.is_empty());
    assert_eq!(store.next_target_due().await.unwrap(), Some(bed.at(30)));
    bed.pass(20);
    assert!(store.hold_target(&first[0], bed.at(30)).await.unwrap());
    bed.pass(11);
    let stolen = claim(bed, "c").await;
    assert_eq!(stolen.len(), 1, "one heart beats, the other stopped");
    store.release_target(&stolen[0]).await.unwrap();
    assert_eq!(claim(bed, "d").await.len(), 1);
    bed.pass(60);
    assert_eq!(claim(bed, "e").await.len(), 2);
    assert!(!store.hold_target(&first[0], bed.at(30)).await.unwrap());
    assert!(!store.journal_step(&first[0], &json!({}), None).await.unwrap());
    assert!(!store.journal_sending(&first[0], &json!({}), "key").await.unwrap());
    assert!(!store.end_target(&first[0], TargetStatus::Failed, "", "").await.unwrap());
}

async fn a_send_is_journalled_before_and_after(bed: &Bed) {
    let store = &bed.store;
    let (post, _) = under_way(bed).await;
    let mut claimed = claim(bed, "a").await;
    let mut one = claimed.remove(0);
    assert!(store.journal_step(&one, &json!({ "up": 1 }), Some("uploading 1 of 2")).await.unwrap());
    assert!(store.journal_sending(&one, &json!({ "up": 2 }), "key-1").await.unwrap());
    one.target = store.target(&one.target.id).await.unwrap().unwrap();
    assert_eq!(one.target.sending.as_ref().unwrap().key, "key-1");
    assert!(store.clear_sending(&one).await.unwrap());
    assert!(store.target(&one.target.id).await.unwrap().unwrap().sending.is_none());
    assert!(store.journal_sending(&one, &json!({ "up": 2 }), "key-1").await.unwrap());
    store.accept_send(&one, &json!({ "up": 2 }), &posted("77"), false).await.unwrap();
    store.accept_send(&one, &json!({ "up": 2 }), &posted("77"), false).await.unwrap();
    assert_eq!(store.send_count(&one.target.id).await.unwrap(), 1);
    let done = store.target(&one.target.id).await.unwrap().unwrap();
    assert_eq!((done.status, done.posted.unwrap().id.as_str()), (TargetStatus::Published, "77"));
    assert_eq!(store.post(&post).await.unwrap().unwrap().status, PostStatus::Publishing);
    assert!(!store.end_target(&one, TargetStatus::Failed, "", "").await.unwrap(), "what is out stays out");

    let two = claimed.remove(0);
    assert!(store.end_target(&two, TargetStatus::Failed, "too long", "shorten it").await.unwrap());
    let state = store.post(&post).await.unwrap().unwrap();
    assert_eq!((state.status, state.published_at), (PostStatus::PartiallyPublished, Some(bed.at(0))));
    assert!(store.retry_target(&two.target.id, false).await.unwrap());
    assert!(!store.retry_target(&two.target.id, true).await.unwrap());
    let again = claim(bed, "b").await.remove(0);
    assert_eq!((again.target.id.clone(), again.target.journal.is_null()), (two.target.id, true));
    store.accept_send(&again, &json!({}), &posted("78"), false).await.unwrap();
    assert_eq!(store.post(&post).await.unwrap().unwrap().status, PostStatus::Published);
    assert_eq!(store.next_target_due().await.unwrap(), None);

    assert!(store.forget_target(&again.target.id).await.unwrap());
    assert!(!store.forget_target(&again.target.id).await.unwrap());
    assert_eq!(store.post(&post).await.unwrap().unwrap().status, PostStatus::PartiallyPublished);
}

async fn who_takes_over_a_file_waits_only_for_what_left(bed: &Bed) {
    let store = &bed.store;
    under_way(bed).await;
    let claimed = claim(bed, "dead").await;
    assert!(store.journal_sending(&claimed[0], &json!({}), "key").await.unwrap());
    assert!(store.take_lease("surface/telegram", "dead", bed.at(30)).await.unwrap());
    store.take_over().await.unwrap();
    assert!(store.take_lease("surface/telegram", "new", bed.at(30)).await.unwrap());
    let again = claim(bed, "new").await;
    assert_eq!(again.len(), claimed.len() - 1, "the vendor may still be at what was being sent");
    assert!(again.iter().all(|one| one.target.id != claimed[0].target.id));
    assert!(!store.journal_step(&claimed[1], &json!({}), None).await.unwrap(), "the dead one holds nothing");
    bed.pass(31);
    assert!(claim(bed, "later").await.iter().any(|one| one.target.id == claimed[0].target.id));
}

async fn a_post_in_pieces_counts_each(bed: &Bed) {
    let store = &bed.store;
    under_way(bed).await;
    let mut one = claim(bed, "a").await.remove(0);
    for piece in ["1", "2"] {
        assert!(store.journal_sending(&one, &json!({}), piece).await.unwrap());
        one.target = store.target(&one.target.id).await.unwrap().unwrap();
        store.accept_send(&one, &json!({}), &posted(piece), piece == "1").await.unwrap();
    }
    assert_eq!(store.send_count(&one.target.id).await.unwrap(), 2);
}

async fn a_persons_word_decides_what_nobody_knows(bed: &Bed) {
    let store = &bed.store;
    let (post, _) = under_way(bed).await;
    let claimed = claim(bed, "a").await;
    for one in &claimed {
        assert!(store.journal_sending(one, &json!({}), "key").await.unwrap());
        assert!(store.end_target(one, TargetStatus::Unconfirmed, "no answer", "look").await.unwrap());
    }
    assert_eq!(store.post(&post).await.unwrap().unwrap().status, PostStatus::Publishing, "somebody is asked");
    assert!(store.confirm_target(&claimed[0].target.id).await.unwrap());
    assert!(!store.give_up_target(&claimed[0].target.id).await.unwrap());
    assert!(store.give_up_target(&claimed[1].target.id).await.unwrap());
    assert!(!store.confirm_target(&claimed[1].target.id).await.unwrap());
    assert_eq!(store.post(&post).await.unwrap().unwrap().status, PostStatus::PartiallyPublished);
    assert!(store.retry_target(&claimed[1].target.id, true).await.unwrap());
    let again = claim(bed, "b").await;
    assert_eq!(again.len(), 1);
    assert!(again[0].target.sending.is_none());
}

async fn work_is_put_off_and_woken(bed: &Bed) {
    let store = &bed.store;
    under_way(bed).await;
    for one in claim(bed, "a").await {
        store.postpone_target(&one, bed.at(600), Some("busy"), true).await.unwrap();
    }
    assert!(claim(bed, "a").await.is_empty());
    assert_eq!(store.next_target_due().await.unwrap(), Some(bed.at(600)));
    store.wake_targets("bluesky").await.unwrap();
    assert!(claim(bed, "a").await.is_empty());
    store.wake_targets("mastodon").await.unwrap();
    let woken = claim(bed, "a").await;
    assert_eq!(woken.iter().map(|one| one.target.tries).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(woken[0].target.why.as_deref(), Some("busy"));
}
