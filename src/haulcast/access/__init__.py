"""Who may come in, and who did what: revoked tokens, shared views, the audit log."""
