"""What an operator's page shows, kept up to date from messages: bounded, and cheap per message."""
