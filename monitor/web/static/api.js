// The server's REST interface; a failure is an Error whose message can be shown.

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer", { cause: error });
  }
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? `the server says ${answer.status}`);
  return body;
}

function query(values) {
  const known = Object.entries(values).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  return new URLSearchParams(
    known.map(([name, value]) => [name, typeof value === "number" ? Math.round(value) : value]),
  );
}

/** GET /api/...; values: query parameters, those that are null or empty left out. */
export function get(path, values = {}, signal = undefined) {
  const text = query(values).toString();
  return call(`/api/${path}${text ? `?${text}` : ""}`, { signal });
}

/** POST or PUT /api/... with a JSON body. */
export function send(method, path, body) {
  return call(`/api/${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The address of a WFDB record of a stretch. */
export function wfdbAddress(stream, fromUs, toUs) {
  return `/api/wfdb/${encodeURIComponent(stream)}?${query({ from_us: fromUs, to_us: toUs })}`;
}
