"""What the world is: prefectures, desks, hosts' rules, plans, outcomes, languages."""
