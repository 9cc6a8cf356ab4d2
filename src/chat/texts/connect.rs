//! What is said while an account is connected.
