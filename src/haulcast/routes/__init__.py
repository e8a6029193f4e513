"""What is to be carried, and who drives where: loads, routes with their stops, and how far along each vehicle is."""
