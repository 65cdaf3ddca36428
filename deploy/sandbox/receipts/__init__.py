"""Receipts that the stand-ins of SendGrid and Twilio send: signed, late, repeated, lost."""
