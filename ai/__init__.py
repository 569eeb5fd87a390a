"""Reading what customers write: takes text and context, knows no conversation."""
