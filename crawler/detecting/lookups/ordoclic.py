"""Ordoclic: no request is known to tell its ids."""

BY_HAND = "the page itself posts them to …/v1/solar/slots/availableSlots: entityId, medicalStaffId, reasonId"
