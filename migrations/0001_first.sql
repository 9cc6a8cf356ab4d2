-- Portable between SQLite and PostgreSQL: text ids, times as Unix milliseconds, JSON as text, no engine functions.
-- Columns named sealed_* hold what src/store/vault.rs seals.

create table settings (
    name text primary key,
    value text not null
);

create table leases (
    name text primary key,
    holder text not null,
    until bigint not null
);

create table workspaces (
    id text primary key,
    name text not null,
    timezone text not null,
    post_count bigint not null default 0,
    created_at bigint not null
);

create table people (
    id text primary key,
    name text not null,
    workspace text references workspaces (id),
    created_at bigint not null
);

create table identities (
    surface text not null,
    user_id text not null,
    person text not null references people (id),
    name text not null,
    handle text,
    direct_chat text,
    primary key (surface, user_id)
);
create index identities_person on identities (person);

create table members (
    workspace text not null references workspaces (id),
    person text not null references people (id),
    role text not null,
    primary key (workspace, person)
);

create table invites (
    code_hash text primary key,
    workspace text references workspaces (id),
    role text,
    person text references people (id),
    created_by text references people (id),
    expires_at bigint not null
);

create table chats (
    id text primary key,
    surface text not null,
    remote_id text not null,
    topic text not null default '',
    kind text not null,
    title text,
    workspace text references workspaces (id),
    alerts boolean not null default false,
    unreachable_since bigint,
    stranger_told_at bigint
);
create unique index chats_place on chats (surface, remote_id, topic);
create index chats_workspace on chats (workspace);

create table apps (
    platform text not null,
    host text not null,
    sealed_app text not null,
    created_at bigint not null,
    primary key (platform, host)
);

create table pauses (
    platform text not null,
    app text not null,
    what text not null,
    since bigint not null,
    probe_at bigint not null,
    primary key (platform, app)
);

create table grants (
    id text primary key,
    workspace text not null references workspaces (id),
    platform text not null,
    app text not null,
    remote_user text not null,
    sealed_access text not null,
    sealed_refresh text,
    sealed_extra text,
    expires_at bigint,
    refresh_expires_at bigint,
    version bigint not null,
    dead_since bigint,
    dead_why text,
    renewing_by text,
    renewing_until bigint,
    created_at bigint not null
);
create unique index grants_consent on grants (workspace, platform, app, remote_user);

create table accounts (
    id text primary key,
    workspace text not null references workspaces (id),
    platform text not null,
    remote_id text not null,
    name text not null,
    handle text,
    url text,
    meta text not null,
    grant_id text references grants (id),
    status text not null,
    status_since bigint not null,
    why text,
    fix text,
    is_active boolean not null default true,
    shaky_since bigint,
    removed_at bigint,
    created_at bigint not null
);
create unique index accounts_identity on accounts (workspace, platform, remote_id);
create index accounts_remote on accounts (platform, remote_id);
create index accounts_grant on accounts (grant_id);

create table attempts (
    id text primary key,
    workspace text not null references workspaces (id),
    person text not null references people (id),
    platform text not null,
    instance text,
    account text references accounts (id),
    surface text not null,
    chat text not null,
    topic text not null default '',
    stage text not null,
    link_hash text not null,
    state_hash text not null,
    sealed_state text,
    sealed_keep text,
    sealed_consent text,
    picked text not null default '[]',
    outcome text,
    answered_at bigint,
    expires_at bigint not null,
    created_at bigint not null
);
create unique index attempts_link on attempts (link_hash);
create unique index attempts_state on attempts (state_hash);

create table buttons (
    token_hash text primary key,
    workspace text references workspaces (id),
    person text references people (id),
    action text not null,
    expires_at bigint not null,
    used_at bigint
);
create index buttons_expiry on buttons (expires_at);

create table questions (
    surface text not null,
    chat text not null,
    person text not null references people (id),
    what text not null,
    expires_at bigint not null,
    primary key (surface, chat, person)
);

create table cards (
    id text primary key,
    subject text not null,
    surface text not null,
    chat text not null,
    topic text not null default '',
    person text references people (id),
    sealed_message text,
    shown text,
    created_at bigint not null
);
create index cards_subject on cards (subject);

create table outbox (
    id text primary key,
    card text references cards (id),
    surface text not null,
    chat text not null,
    topic text not null default '',
    person text references people (id),
    what text not null,
    due_at bigint not null,
    tries bigint not null default 0,
    holder text,
    held_until bigint,
    created_at bigint not null
);
create index outbox_due on outbox (due_at);

create table seen_updates (
    surface text not null,
    update_id text not null,
    seen_at bigint not null,
    primary key (surface, update_id)
);
create index seen_updates_age on seen_updates (seen_at);

create table media (
    sha256 text primary key,
    kind text not null,
    mime text not null,
    bytes bigint not null,
    width bigint not null,
    height bigint not null,
    duration_ms bigint,
    created_at bigint not null
);

create table posts (
    id text primary key,
    workspace text not null references workspaces (id),
    number bigint not null,
    author text not null references people (id),
    album text,
    body text not null,
    options text not null,
    missing text not null default '[]',
    status text not null,
    created_at bigint not null,
    updated_at bigint not null,
    published_at bigint
);
create unique index posts_number on posts (workspace, number);
create unique index posts_album on posts (album);
create index posts_status on posts (workspace, status);

create table post_media (
    post text not null references posts (id),
    position bigint not null,
    sha256 text not null references media (sha256),
    alt text,
    primary key (post, position)
);

create table targets (
    id text primary key,
    post text not null references posts (id),
    account text not null references accounts (id),
    status text not null,
    options text not null,
    journal text not null,
    send_key text,
    sending_since bigint,
    posted text,
    why text,
    fix text,
    note text,
    tries bigint not null default 0,
    due_at bigint,
    holder text,
    held_until bigint
);
create unique index targets_delivery on targets (post, account);
create index targets_due on targets (due_at);
create index targets_account on targets (account);

-- One accepted send per piece of a target, whatever else goes wrong.
create table sends (
    target text not null references targets (id),
    piece bigint not null,
    send_key text not null,
    remote_id text not null,
    accepted_at bigint not null,
    primary key (target, piece)
);

create table incidents (
    id text primary key,
    workspace text references workspaces (id),
    kind text not null,
    subject text not null,
    open_key text,
    what text not null,
    opened_at bigint not null,
    closed_at bigint,
    muted_until bigint
);
create unique index incidents_open on incidents (open_key);
create index incidents_subject on incidents (subject);
