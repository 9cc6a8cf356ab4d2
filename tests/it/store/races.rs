//! Two tasks at the same moment: one wins, nothing is lost, nobody gets a database's error.

use std::collections::HashSet;

use futures::future::{join, join_all};
use serde_json::json;
use trypost::domain::post::{PostStatus, Posted, TargetStatus};
use trypost::domain::workspace::Role;

use super::{Bed, new_account, new_draft, new_grant, on_both, tokens};

on_both!(
    claims_never_overlap,
    the_last_two_targets_end_together,
    the_parts_of_an_album_make_one_draft,
    newcomers_and_consents_come_twice,
    two_owners_remove_each_other,
    a_draft_is_chosen_for_while_it_goes_out,
    one_press_one_callback_one_lease
);

async fn claims_never_overlap(bed: &Bed) {
    let (workspace, author) = bed.workspace().await;
    let mut accounts = Vec::new();
    for number in 0..20 {
        accounts.push(bed.account(&workspace.id, &number.to_string(), None).await);
    }
    let post = bed.draft(&workspace.id, &author, &accounts).await;
    bed.store.start_publishing(&post).await.unwrap();
    let other = bed.again(1, &[]).await;
    let until = bed.at(30);
    let workers = (0..8).map(|number| {
        let store = if number % 2 == 0 { bed.store.clone() } else { other.clone() };
        async move {
            let mut mine = Vec::new();
            loop {
                let claimed = store.claim_targets(&number.to_string(), until, 3).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|one| one.target.id));
            }
        }
    });
    let claimed: Vec<_> = join_all(workers).await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), 20);
    assert_eq!(claimed.into_iter().collect::<HashSet<_>>().len(), 20);
}

async fn the_last_two_targets_end_together(bed: &Bed) {
    let (workspace, author) = bed.workspace().await;
    let accounts = [bed.account(&workspace.id, "a", None).await, bed.account(&workspace.id, "b", None).await];
    for round in 0..15 {
        let post = bed.draft(&workspace.id, &author, &accounts).await;
        bed.store.start_publishing(&post).await.unwrap();
        let claimed = bed.store.claim_targets("a", bed.at(30), 2).await.unwrap();
        let posted = Posted { id: "1".to_owned(), url: None, meta: json!({}) };
        let none = json!({});
        let one = bed.store.accept_send(&claimed[0], &none, &posted, false);
        let two = bed.store.end_target(&claimed[1], TargetStatus::Failed, "no", "");
        let (one, two) = join(one, two).await;
        one.unwrap();
        assert!(two.unwrap());
        let status = bed.store.post(&post).await.unwrap().unwrap().status;
        assert_eq!(status, PostStatus::PartiallyPublished, "round {round}");
    }
}

async fn the_parts_of_an_album_make_one_draft(bed: &Bed) {
    let (workspace, author) = bed.workspace().await;
    let draft = new_draft(&workspace.id, &author, Some("album"));
    let made = join_all((0..6).map(|_| bed.store.add_draft(&draft, &[]))).await;
    let made: Vec<_> = made.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(made.iter().filter(|(_, new)| *new).count(), 1);
    assert!(made.iter().all(|(id, _)| *id == made[0].0));
}

async fn newcomers_and_consents_come_twice(bed: &Bed) {
    let people = join_all((0..6).map(|_| bed.store.add_identity(None, "discord", "5", "Ann", None))).await;
    let people: HashSet<_> = people.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(people.len(), 1);
    let person = people.into_iter().next().unwrap();
    let workspace = bed.store.create_workspace("Bakery", &person).await.unwrap();
    let new = new_grant(&workspace.id, tokens("access", None, None));
    let grants = join_all((0..6).map(|_| bed.store.save_grant(&new))).await;
    let grants: HashSet<_> = grants.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(grants.len(), 1);
    assert!(bed.store.grant(grants.iter().next().unwrap()).await.unwrap().is_some(), "and it can be opened");
    let account = new_account(&workspace.id, "host/7", None);
    let accounts = join_all((0..6).map(|_| bed.store.connect_account(&account))).await;
    let accounts: HashSet<_> = accounts.into_iter().map(|one| one.unwrap().0).collect();
    assert_eq!(accounts.len(), 1);
    assert!(bed.store.account(&workspace.id, accounts.iter().next().unwrap()).await.unwrap().is_some());
}

async fn two_owners_remove_each_other(bed: &Bed) {
    let (workspace, olga) = bed.workspace().await;
    let ben = bed.person("ben").await;
    for round in 0..15 {
        bed.store.set_role(&workspace.id, &ben, Role::Owner).await.unwrap();
        bed.store.set_role(&workspace.id, &olga, Role::Owner).await.unwrap();
        let out =
            join(bed.store.remove_member(&workspace.id, &olga), bed.store.remove_member(&workspace.id, &ben)).await;
        let out = [out.0.unwrap(), out.1.unwrap()];
        assert_eq!(out.iter().filter(|gone| **gone).count(), 1, "round {round}");
    }
}

async fn a_draft_is_chosen_for_while_it_goes_out(bed: &Bed) {
    let (workspace, author) = bed.workspace().await;
    let (one, two) = (bed.account(&workspace.id, "a", None).await, bed.account(&workspace.id, "b", None).await);
    for round in 0..15 {
        let post = bed.draft(&workspace.id, &author, std::slice::from_ref(&one)).await;
        let (chosen, started) =
            join(bed.store.choose_account(&post, &two, true), bed.store.start_publishing(&post)).await;
        assert!(started.unwrap());
        let targets = bed.store.targets(&post).await.unwrap();
        assert_eq!(targets.len(), if chosen.unwrap() { 2 } else { 1 });
        assert!(targets.iter().all(|one| one.status == TargetStatus::Publishing), "round {round}: one is left behind");
    }
}

async fn one_press_one_callback_one_lease(bed: &Bed) {
    let (workspace, author) = bed.workspace().await;
    let account = bed.account(&workspace.id, "a", None).await;
    let token = bed.store.add_button(None, None, "{}", bed.at(60)).await.unwrap();
    let pressed = join_all((0..6).map(|_| bed.store.use_button(&token))).await;
    assert_eq!(pressed.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let post = bed.draft(&workspace.id, &author, &[account]).await;
    let started = join_all((0..6).map(|_| bed.store.start_publishing(&post))).await;
    assert_eq!(started.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let holders: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    let until = bed.at(15);
    let leases = join_all(holders.iter().map(|holder| bed.store.take_lease("tick", holder, until))).await;
    assert_eq!(leases.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let sights = join_all((0..6).map(|_| bed.store.first_sight("telegram", "9"))).await;
    assert_eq!(sights.into_iter().filter(|won| *won.as_ref().unwrap()).count(), 1);
    let settled = join_all(holders.iter().map(|holder| bed.store.settle_setting("code", holder))).await;
    let settled: HashSet<_> = settled.into_iter().map(|one| one.unwrap()).collect();
    assert_eq!(settled.len(), 1);
}
