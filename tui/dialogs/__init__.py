"""What asks a person for an answer: a confirmation, a choice, a note."""
