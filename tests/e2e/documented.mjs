// The client that the public documentation of the endpoint shows: it knows nothing of ids, statuses or resuming.
const [url] = process.argv.slice(2)

async function logs() {
  const response = await fetch(url, { headers: { Authorization: "Bearer sk_test" } })
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  const shown = []
  let rest = ""
  while (true) {
    const { done, value } = await reader.read()
    if (done) return shown
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n")
    rest = lines.pop()
    for (const line of lines) {
      if (line.startsWith("data: ")) {
        const entry = JSON.parse(line.slice(6))
        if (entry.line !== undefined) shown.push(entry.line)
      }
    }
  }
}

while (true) {
  try {
    console.log(JSON.stringify(await logs()))
    break
  } catch (error) {
    if (error.message !== "terminated" && error.message !== "fetch failed") throw error
  }
}
