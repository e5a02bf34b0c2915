"""Who may do what: roles, sign-in with a limit on guesses, and tokens for programs."""
