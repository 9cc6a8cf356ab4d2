//! Settings, leases, apps at instances, pauses and incidents.

use trypost::domain::Secret;
use trypost::domain::account::AccountStatus;
use trypost::store::NewIncident;

use super::{Bed, new_attempt, on_both, place};

on_both!(settings_settle, leases_end, apps_are_sealed, pauses_lift, incidents_open_once, what_nobody_was_told_is_found);

async fn settings_settle(bed: &Bed) {
    let store = &bed.store;
    assert_eq!(store.setting("code").await.unwrap(), None);
    assert_eq!(store.settle_setting("code", "a").await.unwrap(), "a");
    assert_eq!(store.settle_setting("code", "b").await.unwrap(), "a");
    store.set_setting("code", "c").await.unwrap();
    assert!(!store.take_setting("code", "a").await.unwrap());
    assert!(store.take_setting("code", "c").await.unwrap());
    assert!(!store.take_setting("code", "c").await.unwrap());
    store.write_probe().await.unwrap();
}

async fn leases_end(bed: &Bed) {
    let store = &bed.store;
    assert!(store.take_lease("tick", "a", bed.at(15)).await.unwrap());
    assert!(!store.take_lease("tick", "b", bed.at(15)).await.unwrap());
    assert!(store.take_lease("tick", "a", bed.at(20)).await.unwrap());
    bed.pass(21);
    assert!(store.take_lease("tick", "b", bed.at(15)).await.unwrap());
    store.release_lease("tick", "a").await.unwrap();
    assert!(!store.take_lease("tick", "a", bed.at(15)).await.unwrap());
    store.release_lease("tick", "b").await.unwrap();
    assert!(store.take_lease("tick", "a", bed.at(15)).await.unwrap());
}

async fn apps_are_sealed(bed: &Bed) {
    let store = &bed.store;
    assert!(store.instance_app("mastodon", "host").await.unwrap().is_none());
    store.save_instance_app("mastodon", "host", "id-1", &Secret::new("secret-1")).await.unwrap();
    store.save_instance_app("mastodon", "host", "id-2", &Secret::new("secret-2")).await.unwrap();
    let (id, secret) = store.instance_app("mastodon", "host").await.unwrap().unwrap();
    assert_eq!((id.as_str(), secret.expose()), ("id-1", "secret-1"));
    store.forget_instance_app("mastodon", "host").await.unwrap();
    assert!(store.instance_app("mastodon", "host").await.unwrap().is_none());
}

async fn pauses_lift(bed: &Bed) {
    let store = &bed.store;
    assert!(store.pause("discord", "app", "DISCORD_BOT_TOKEN is wrong", bed.at(60)).await.unwrap());
    assert!(!store.pause("discord", "app", "still", bed.at(90)).await.unwrap());
    let pause = store.pause_of("discord", "app").await.unwrap().unwrap();
    assert_eq!((pause.what.as_str(), pause.since, pause.probe_at), ("still", bed.at(0), bed.at(90)));
    assert_eq!(store.pauses().await.unwrap(), [pause]);
    assert!(store.resume("discord", "app").await.unwrap());
    assert!(!store.resume("discord", "app").await.unwrap());
    assert_eq!(store.pause_of("discord", "app").await.unwrap(), None);
}

async fn incidents_open_once(bed: &Bed) {
    let store = &bed.store;
    let (workspace, _) = bed.workspace().await;
    let new = |workspace, what: &str| NewIncident {
        workspace,
        kind: "account_lost",
        subject: "acc_1".to_owned(),
        what: what.to_owned(),
    };
    let (first, opened) = store.open_incident(&new(Some(workspace.id.clone()), "one")).await.unwrap();
    assert!(opened);
    let (same, opened) = store.open_incident(&new(Some(workspace.id.clone()), "two")).await.unwrap();
    assert!(!opened);
    assert_eq!((same.id.clone(), same.what.as_str()), (first.id.clone(), "two"));
    store.mute_incident(&first.id, bed.at(60)).await.unwrap();
    assert_eq!(store.incident(&first.id).await.unwrap().unwrap().muted_until, Some(bed.at(60)));
    assert_eq!(store.open_incidents(&workspace.id).await.unwrap().len(), 1);
    let closed = store.close_incident("account_lost", "acc_1").await.unwrap().unwrap();
    assert_eq!(closed.closed_at, Some(bed.at(0)));
    assert!(store.close_incident("account_lost", "acc_1").await.unwrap().is_none());
    assert!(store.open_incidents(&workspace.id).await.unwrap().is_empty());
    let (next, opened) = store.open_incident(&new(None, "three")).await.unwrap();
    assert!(opened);
    assert_ne!(next.id, first.id);
    assert_eq!(store.operator_incidents().await.unwrap().len(), 1);
}

async fn what_nobody_was_told_is_found(bed: &Bed) {
    let store = &bed.store;
    let kind = "account_lost";
    let (workspace, owner) = bed.workspace().await;
    let grant = bed.grant(&workspace.id).await;
    let on_grant = bed.account(&workspace.id, "host/7", Some(&grant)).await;
    let alone = bed.account(&workspace.id, "host/8", None).await;
    assert!(store.unreported_grants(kind, bed.at(1)).await.unwrap().is_empty());
    store.kill_grant(&grant, 1, "revoked").await.unwrap();
    for account in [&on_grant, &alone] {
        store.set_account_status(account, AccountStatus::Disconnected, Some("gone"), None).await.unwrap();
    }
    assert!(store.unreported_grants(kind, bed.at(-1)).await.unwrap().is_empty(), "too young");
    assert_eq!(store.unreported_grants(kind, bed.at(1)).await.unwrap(), std::slice::from_ref(&grant));
    let lost = store.unreported_accounts(kind, bed.at(1)).await.unwrap();
    assert_eq!(lost.iter().map(|account| &account.id).collect::<Vec<_>>(), [&alone]);

    for subject in [grant.as_str(), alone.as_str()] {
        let new = NewIncident {
            workspace: Some(workspace.id.clone()),
            kind,
            subject: subject.to_owned(),
            what: "{}".to_owned(),
        };
        store.open_incident(&new).await.unwrap();
    }
    assert!(store.unreported_grants(kind, bed.at(1)).await.unwrap().is_empty());
    assert!(store.unreported_accounts(kind, bed.at(1)).await.unwrap().is_empty());
    let untold = store.untold_incidents(bed.at(1)).await.unwrap();
    assert_eq!(untold.len(), 2);
    store.add_card(untold[0].id.as_str(), &place("1"), None, None).await.unwrap();
    assert_eq!(store.untold_incidents(bed.at(1)).await.unwrap().len(), 1);

    let post = bed.draft(&workspace.id, &owner, &[alone]).await;
    store.add_card(post.as_str(), &place("1"), None, None).await.unwrap();
    assert_eq!(store.shown_since(bed.at(-1)).await.unwrap(), [untold[0].id.to_string()], "a draft did not go out");
    store.start_publishing(&post).await.unwrap();
    assert_eq!(store.shown_since(bed.at(-1)).await.unwrap().len(), 2);
    assert!(store.shown_since(bed.at(1)).await.unwrap().is_empty());

    let attempt = store.add_attempt(&new_attempt(&workspace.id, &owner, bed.at(900))).await.unwrap();
    store.answer_attempt(&attempt).await.unwrap();
    assert!(store.untold_attempts(bed.at(-1), bed.at(1)).await.unwrap().is_empty(), "still being answered");
    store.found_for_attempt(&attempt, &Secret::new("{}"), &[]).await.unwrap();
    assert_eq!(store.untold_attempts(bed.at(-1), bed.at(1)).await.unwrap(), [(attempt.clone(), owner)]);
    store.add_card(attempt.as_str(), &place("1"), None, None).await.unwrap();
    assert!(store.untold_attempts(bed.at(-1), bed.at(1)).await.unwrap().is_empty());
}
