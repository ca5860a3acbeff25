-- Drives wrk from a file of requests, one a line: method, path, token, tag, body, between tabs.
-- "{n}" in a body becomes a number that is never the same again. Prints one line of JSON.

local requests = {}
local sent = 0

function init(arguments)
  math.randomseed(os.time())
  for line in io.lines(arguments[1]) do
    local method, path, token, tag, body = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
    local headers = {}
    for name, value in pairs(wrk.headers) do headers[name] = value end
    if token ~= "" then headers["Authorization"] = "Bearer " .. token end
    if tag ~= "" then headers["If-None-Match"] = tag end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    local varies = body:find("{n}", 1, true) ~= nil
    local whole = not varies and wrk.format(method, path, headers, body ~= "" and body or nil)
    requests[#requests + 1] = {whole = whole, method, path, headers, body}
  end
  sent = math.random(1000000, 9000000)
end

function request()
  sent = sent + 1
  local each = requests[sent % #requests + 1]
  if each.whole then return each.whole end
  return wrk.format(each[1], each[2], each[3], (each[4]:gsub("{n}", tostring(sent))))
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
