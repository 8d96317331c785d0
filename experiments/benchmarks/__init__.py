"""Speed, measured side by side with the alternative."""
