"""What installs, builds and deploys this project."""
