"""What the publisher says, and what licences and terms ask."""
