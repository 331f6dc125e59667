// A worker that only counts half seconds: its timer keeps time when the page's own are slowed down.
setInterval(() => postMessage(null), 500);
