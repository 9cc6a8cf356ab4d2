//! Workspaces, people, roles, invites and chats.

use trypost::domain::workspace::Role;
use trypost::store::Invite;

use super::{Bed, new_account, on_both, place};

on_both!(
    a_workspace_lives_and_goes_with_all_it_owns,
    identities_belong_to_one_person,
    the_last_owner_stays,
    invites_work_once_and_not_late,
    chats_are_bound_moved_and_lost
);

async fn a_workspace_lives_and_goes_with_all_it_owns(bed: &Bed) {
    let store = &bed.store;
    let (workspace, owner) = bed.workspace().await;
    assert_eq!(store.current_workspace(&owner).await.unwrap(), Some(workspace.id.clone()));
    store.rename_workspace(&workspace.id, "Bakery two").await.unwrap();
    store.set_timezone(&workspace.id, "Europe/Berlin").await.unwrap();
    let found = store.workspace(&workspace.id).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.timezone.as_str()), ("Bakery two", "Europe/Berlin"));

    let second = store.create_workspace("Annexe", &owner).await.unwrap();
    assert_eq!(store.current_workspace(&owner).await.unwrap(), Some(second.id.clone()));
    store.use_workspace(&owner, &workspace.id).await.unwrap();
    let names: Vec<String> = store.workspaces_of(&owner).await.unwrap().into_iter().map(|(one, _)| one.name).collect();
    assert_eq!(names, ["Annexe", "Bakery two"]);

    let grant = bed.grant(&workspace.id).await;
    let account = bed.account(&workspace.id, "social.example/7", Some(&grant)).await;
    let kept = store.connect_account(&new_account(&second.id, "social.example/7", None)).await.unwrap().0;
    let post = bed.draft(&workspace.id, &owner, std::slice::from_ref(&account)).await;
    store.start_publishing(&post).await.unwrap();
    store.note_chat(&place("1"), "direct", None).await.unwrap();
    store.bind_chat(&place("1"), Some(&workspace.id), true).await.unwrap();
    store.delete_workspace(&workspace.id).await.unwrap();
    assert_eq!(store.workspace(&workspace.id).await.unwrap(), None);
    assert_eq!(store.account_for_work(&account).await.unwrap(), None);
    assert_eq!(store.post(&post).await.unwrap(), None);
    assert_eq!(store.current_workspace(&owner).await.unwrap(), None);
    assert_eq!(store.chat(&place("1")).await.unwrap().unwrap().workspace, None);
    assert!(store.account(&second.id, &kept).await.unwrap().is_some(), "another workspace's account stays");
}

async fn identities_belong_to_one_person(bed: &Bed) {
    let store = &bed.store;
    let olga = bed.person("olga").await;
    assert_eq!(bed.person("olga").await, olga, "an identity that exists stays where it is");
    let also = store.add_identity(Some(&olga), "discord", "77", "Olga", None).await.unwrap();
    assert_eq!(also, olga);
    store.refresh_identity("discord", "77", "Olga B", Some("olga.b"), Some("900")).await.unwrap();
    store.refresh_identity("discord", "77", "Olga B", Some("olga.b"), None).await.unwrap();
    let identity = store.identity("discord", "77").await.unwrap().unwrap();
    assert_eq!((identity.person.clone(), identity.name.as_str()), (olga.clone(), "Olga B"));
    assert_eq!((identity.handle.as_deref(), identity.direct_chat.as_deref()), (Some("olga.b"), Some("900")));
    let surfaces: Vec<String> = store.identities(&olga).await.unwrap().into_iter().map(|one| one.surface).collect();
    assert_eq!(surfaces, ["discord", "telegram"]);
    assert_eq!(store.identity("discord", "78").await.unwrap(), None);
}

async fn the_last_owner_stays(bed: &Bed) {
    let store = &bed.store;
    let (workspace, olga) = bed.workspace().await;
    let ben = bed.person("ben").await;
    assert_eq!(store.role(&workspace.id, &ben).await.unwrap(), None);
    assert!(!store.set_role(&workspace.id, &olga, Role::Admin).await.unwrap());
    assert!(!store.remove_member(&workspace.id, &olga).await.unwrap());
    assert_eq!(store.role(&workspace.id, &olga).await.unwrap(), Some(Role::Owner));
    assert!(store.set_role(&workspace.id, &ben, Role::Owner).await.unwrap());
    assert!(store.set_role(&workspace.id, &olga, Role::Viewer).await.unwrap());
    let members = store.members(&workspace.id).await.unwrap();
    assert_eq!(
        members.iter().map(|one| (one.name.as_str(), one.role)).collect::<Vec<_>>(),
        [("ben", Role::Owner), ("olga", Role::Viewer)]
    );
    assert!(store.remove_member(&workspace.id, &olga).await.unwrap());
    assert_eq!(store.current_workspace(&olga).await.unwrap(), None);
}

async fn invites_work_once_and_not_late(bed: &Bed) {
    let store = &bed.store;
    let (workspace, olga) = bed.workspace().await;
    let into = Invite { workspace: Some(workspace.id.clone()), role: Some(Role::Member), person: None };
    let link = Invite { workspace: None, role: None, person: Some(olga.clone()) };
    store.add_invite("one", &into, &olga, bed.at(60)).await.unwrap();
    store.add_invite("two", &link, &olga, bed.at(60)).await.unwrap();
    store.add_invite("late", &into, &olga, bed.at(60)).await.unwrap();
    assert_eq!(store.take_invite("one").await.unwrap(), Some(into));
    assert_eq!(store.take_invite("one").await.unwrap(), None);
    assert_eq!(store.take_invite("two").await.unwrap(), Some(link));
    bed.pass(61);
    assert_eq!(store.take_invite("late").await.unwrap(), None);
}

async fn chats_are_bound_moved_and_lost(bed: &Bed) {
    let store = &bed.store;
    let (workspace, _) = bed.workspace().await;
    store.note_chat(&place("-5"), "group", Some("Team")).await.unwrap();
    store.note_chat(&place("-5"), "group", None).await.unwrap();
    store.bind_chat(&place("-5"), Some(&workspace.id), true).await.unwrap();
    let chats = store.alert_chats(&workspace.id).await.unwrap();
    assert_eq!(chats.len(), 1);
    assert_eq!(chats[0].title.as_deref(), Some("Team"));
    store.chat_unreachable(&place("-5")).await.unwrap();
    assert_eq!(store.chat(&place("-5")).await.unwrap().unwrap().unreachable_since, Some(bed.at(0)));
    assert!(store.may_tell_stranger(&place("-5")).await.unwrap());
    assert!(!store.may_tell_stranger(&place("-5")).await.unwrap());
    bed.pass(3601);
    assert!(store.may_tell_stranger(&place("-5")).await.unwrap());
    store.note_chat(&place("-1005"), "group", None).await.unwrap();
    store.chat_moved("telegram", "-5", "-1005").await.unwrap();
    assert_eq!(store.chat(&place("-5")).await.unwrap(), None);
    assert_eq!(store.chat(&place("-1005")).await.unwrap().unwrap().workspace, Some(workspace.id.clone()));
    store.bind_chat(&place("-1005"), None, false).await.unwrap();
    assert!(store.alert_chats(&workspace.id).await.unwrap().is_empty());
}
