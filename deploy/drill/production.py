"""The step `production`: everything as the compose file says, the main job through nginx, and the stop in order."""

import time

from deploy.drill.mail_fault import lose_provider
from deploy.drill.production_stack import Variant, run_production
from deploy.drill.step import Workplace
from deploy.drill.visitor import Visitor, open_slot


def check_production(work: Workplace) -> str:
    """Start it, buy a plan, receive the alert of a slot, lose a provider of mail, stop it.

    Raises:
        StepFailed: something of it does not work.
    """
    begun = time.monotonic()
    with run_production(work, "production", Variant()) as stack:
        stood = time.monotonic() - begun
        visitor = Visitor(stack.authority.certificate)
        delay = do_main_job(visitor, work)
        visitor.open_proof()
        work.say("the proof can be opened")
        mails = lose_provider(stack, visitor, work)
        stack.wait_well()
        stopped = stack.stop_in_order()
    return f"well after {stood:.0f} s; slot shown to mail {delay:.1f} s; {mails}; stopped: {stopped}"


def do_main_job(visitor: Visitor, work: Workplace) -> float:
    """Register, sign in, pay, watch, and receive an alert; return the seconds from the slot's opening to the mail.

    Raises:
        StepFailed: one of these does not work.
    """
    visitor.register()
    visitor.sign_in()
    work.say("registered, confirmed and signed in")
    visitor.buy()
    work.say("ordered and paid: Stripe's event came through nginx")
    visitor.watch()
    work.say("the desk of the alert is checked")
    before = visitor.count_alerts()
    open_slot()
    delay = visitor.wait_alert(before)
    work.say(f"the alert of a slot arrived after {delay:.1f} s")
    return delay
