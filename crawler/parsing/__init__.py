"""What the readers of platforms share. Pure: it asks for nothing and knows no clock."""
