//! What is sealed stays where it was sealed, and moves on to a new key.

use trypost::domain::Secret;
use trypost::store::{StoreError, VaultError};

use super::{Bed, new_grant, on_both, place, tokens};

on_both!(a_ciphertext_cannot_be_moved, keys_rotate_and_tell, nothing_secret_is_stored_plainly);

async fn a_ciphertext_cannot_be_moved(bed: &Bed) {
    let (workspace, _) = bed.workspace().await;
    let one = bed.grant(&workspace.id).await;
    let mut other = new_grant(&workspace.id, tokens("access-other", Some("refresh-other"), None));
    other.remote_user = "8".to_owned();
    let two = bed.store.save_grant(&other).await.unwrap();
    bed.raw(&format!(
        "update grants set sealed_access = (select g.sealed_access from grants g where g.id = '{two}') where id = '{one}'"
    ))
    .await;
    let refused = bed.store.grant(&one).await;
    assert!(matches!(&refused, Err(StoreError::Vault(VaultError::Damaged { .. }))), "{refused:?}");
    bed.raw(&format!("update grants set sealed_refresh = sealed_access where id = '{two}'")).await;
    let refused = bed.store.grant(&two).await;
    assert!(
        matches!(&refused, Err(StoreError::Vault(VaultError::Damaged { .. }))),
        "nor to another column: {refused:?}"
    );
}

async fn keys_rotate_and_tell(bed: &Bed) {
    let (workspace, _) = bed.workspace().await;
    let grant = bed.grant(&workspace.id).await;
    bed.store.save_instance_app("mastodon", "host", "id", &Secret::new("secret")).await.unwrap();
    bed.store.add_card("pst_1", &place("1"), None, Some(&Secret::new("{}"))).await.unwrap();

    let stranger = bed.again(2, &[]).await;
    let refused = stranger.grant(&grant).await;
    assert!(matches!(&refused, Err(StoreError::Vault(VaultError::UnknownKey { .. }))), "{refused:?}");
    assert_eq!(stranger.rotate_keys().await.unwrap(), (0, 4), "what no key opens is told, and kept");

    let next = bed.again(2, &[1]).await;
    assert_eq!(next.grant(&grant).await.unwrap().unwrap().tokens.access.expose(), "access-1");
    assert_eq!(next.rotate_keys().await.unwrap(), (4, 0));
    assert_eq!(next.rotate_keys().await.unwrap(), (0, 0));
    let last = bed.again(2, &[]).await;
    assert_eq!(last.grant(&grant).await.unwrap().unwrap().tokens.access.expose(), "access-1");
    assert_eq!(last.instance_app("mastodon", "host").await.unwrap().unwrap().1.expose(), "secret");
    assert!(last.cards("pst_1").await.unwrap()[0].message.is_some());
}

async fn nothing_secret_is_stored_plainly(bed: &Bed) {
    let (workspace, _) = bed.workspace().await;
    bed.grant(&workspace.id).await;
    let stored = bed.texts("select sealed_access || coalesce(sealed_refresh, '') from grants").await.concat();
    assert!(stored.starts_with("v1."), "{stored}");
    assert!(!stored.contains("access-1") && !stored.contains("refresh-1"), "{stored}");
}
