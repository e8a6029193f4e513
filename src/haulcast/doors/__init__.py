"""How anybody gets in: tokens, the handshake, the two socket shells, problem documents."""
