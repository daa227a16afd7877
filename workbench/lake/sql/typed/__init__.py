"""Statements as a person types them: `{{x}}`, quotes, comments, and places in the text."""
