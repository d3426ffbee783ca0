// Watches with the standard EventSource, of a browser or of the npm package. Resolves, with [type, id, data] of each
// event, once the source has closed for good: after an answer, such as 204, that it does not come back from.
(url) =>
  new Promise((resolve) => {
    const events = []
    const source = new EventSource(url)
    for (const type of ["message", "status", "gap", "done"]) {
      source.addEventListener(type, (event) => events.push([event.type, event.lastEventId, event.data]))
    }
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) resolve(events)
    })
  })
