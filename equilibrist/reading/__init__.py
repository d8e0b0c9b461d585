"""What a session wrote, made ready for reading: by the browser, the report, the exports and pandas."""
