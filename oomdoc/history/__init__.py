"""What was diagnosed and tried in this user's folders: kept in one private database, for the next log."""
