"""Avecmondoc: no request is known to tell its ids."""

BY_HAND = "the page itself posts them to …/api/BusinessHours/availabilitiesPerDay: organizationId, consultationReasonId"
