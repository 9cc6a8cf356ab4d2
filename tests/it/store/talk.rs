//! Buttons, questions, cards, the outbox and seen updates.

use std::collections::HashSet;

use trypost::domain::Secret;

use super::{Bed, on_both, place};

on_both!(buttons_work_once, questions_are_taken, cards_are_kept, messages_wait_and_go, updates_count_once);

async fn buttons_work_once(bed: &Bed) {
    let store = &bed.store;
    let (workspace, person) = bed.workspace().await;
    let token = store.add_button(Some(&workspace.id), Some(&person), "{\"go\":1}", bed.at(60)).await.unwrap();
    let other = store.add_button(None, None, "{}", bed.at(60)).await.unwrap();
    assert_ne!(token, other);
    let pressed = store.button(&token).await.unwrap().unwrap();
    assert_eq!((pressed.workspace, pressed.person), (Some(workspace.id), Some(person)));
    assert_eq!((pressed.action.as_str(), pressed.used_at), ("{\"go\":1}", None));
    assert!(store.use_button(&token).await.unwrap());
    assert!(!store.use_button(&token).await.unwrap());
    assert!(store.button(&token).await.unwrap().unwrap().used_at.is_some());
    assert!(store.button("guessed").await.unwrap().is_none());
    assert!(bed.texts("select token_hash from buttons").await.iter().all(|hash| *hash != token));
    bed.pass(61);
    store.sweep_talk(bed.at(0)).await.unwrap();
    assert!(store.button(&other).await.unwrap().is_none());
}

async fn questions_are_taken(bed: &Bed) {
    let store = &bed.store;
    let person = bed.person("olga").await;
    store.ask("telegram", "1", &person, "first", bed.at(60)).await.unwrap();
    store.ask("telegram", "1", &person, "second", bed.at(60)).await.unwrap();
    assert_eq!(store.take_question("telegram", "2", &person).await.unwrap(), None);
    assert_eq!(store.take_question("telegram", "1", &person).await.unwrap().as_deref(), Some("second"));
    assert_eq!(store.take_question("telegram", "1", &person).await.unwrap(), None);
    store.ask("telegram", "1", &person, "late", bed.at(60)).await.unwrap();
    bed.pass(61);
    assert_eq!(store.take_question("telegram", "1", &person).await.unwrap(), None);
}

async fn cards_are_kept(bed: &Bed) {
    let store = &bed.store;
    let person = bed.person("olga").await;
    let id = store.add_card("pst_1", &place("1"), Some(&person), None).await.unwrap();
    let with = store.add_card("pst_1", &place("2"), None, Some(&Secret::new("{\"m\":1}"))).await.unwrap();
    store.card_shown(&id, Some(&Secret::new("{\"m\":2}")), "hash").await.unwrap();
    let card = store.card(&id).await.unwrap().unwrap();
    assert_eq!((card.message.unwrap().expose(), card.shown.as_deref()), ("{\"m\":2}", Some("hash")));
    assert_eq!((card.place, card.person), (place("1"), Some(person)));
    let ids: HashSet<_> = store.cards("pst_1").await.unwrap().into_iter().map(|card| card.id).collect();
    assert_eq!(ids, HashSet::from([id.clone(), with]));
    store.point_card(&id, "pst_2").await.unwrap();
    assert_eq!(store.cards("pst_2").await.unwrap()[0].shown, None);
    store.card_shown(&id, None, "").await.unwrap();
    assert!(store.card(&id).await.unwrap().unwrap().message.is_none());
}

async fn messages_wait_and_go(bed: &Bed) {
    let store = &bed.store;
    let card = store.add_card("pst_1", &place("1"), None, None).await.unwrap();
    store.enqueue(Some(&card), &place("1"), None, "draw 1", bed.at(0)).await.unwrap();
    store.enqueue(Some(&card), &place("1"), None, "draw 2", bed.at(0)).await.unwrap();
    store.enqueue(None, &place("1"), None, "say", bed.at(10)).await.unwrap();
    assert_eq!(store.outbox_length().await.unwrap(), 2);
    assert_eq!(store.next_outbox_due(&["discord"]).await.unwrap(), None);
    assert_eq!(store.next_outbox_due(&["discord", "telegram"]).await.unwrap(), Some(bed.at(0)));
    assert!(store.claim_outbox("discord", "a", bed.at(30), 10).await.unwrap().is_empty());
    let taken = store.claim_outbox("telegram", "a", bed.at(30), 10).await.unwrap();
    assert_eq!(taken.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(), ["draw 2"]);
    assert_eq!((taken[0].place(), taken[0].card.as_ref()), (place("1"), Some(&card)));
    assert!(store.claim_outbox("telegram", "b", bed.at(30), 10).await.unwrap().is_empty());
    store.enqueue(Some(&card), &place("1"), None, "draw 3", bed.at(0)).await.unwrap();
    assert_eq!(store.outbox_length().await.unwrap(), 3, "what is being said is not changed");
    store.redeliver(&taken[0].id, bed.at(5)).await.unwrap();
    bed.pass(6);
    let again = store.claim_outbox("telegram", "b", bed.at(30), 10).await.unwrap();
    assert_eq!(again.iter().map(|one| one.tries).collect::<Vec<_>>(), [1, 0]);
    for one in &again {
        store.delivered(&one.id).await.unwrap();
    }
    bed.pass(31);
    let last = store.claim_outbox("telegram", "c", bed.at(30), 10).await.unwrap();
    store.delivered(&last[0].id).await.unwrap();
    assert_eq!(store.outbox_length().await.unwrap(), 0);
}

async fn updates_count_once(bed: &Bed) {
    let store = &bed.store;
    assert!(!store.seen("telegram", "5").await.unwrap());
    assert!(store.first_sight("telegram", "5").await.unwrap());
    assert!(!store.first_sight("telegram", "5").await.unwrap());
    assert!(store.seen("telegram", "5").await.unwrap());
    assert!(store.first_sight("discord", "5").await.unwrap());
    bed.pass(10);
    store.sweep_talk(bed.at(0)).await.unwrap();
    assert!(!store.seen("telegram", "5").await.unwrap());
}
