-- The load for wrk: `wrk -s load.lua URL -- same|browser|browser-close HOST [HOSTS]`. Prints one line of JSON when done.
-- "same": wrk's own short head, each time. "browser": heads whose path, cookie and traceparent all differ,
-- made before the clock starts, so that giving one out costs the generator a table look-up. "browser-close": each of
-- them ends its connection. With HOSTS, HOST is a pattern ("s%d.example") for as many hosts, in turn.

local HEADS = 20000

local AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
local ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

local function hex(digits)
  local parts = {}
  for i = 1, digits / 4 do
    parts[i] = string.format("%04x", math.random(0, 65535))
  end
  return table.concat(parts)
end

local function browser_head(host, connection)
  return table.concat({
    "GET /shop/" .. hex(8) .. "/item?ref=" .. hex(4) .. "&page=" .. math.random(1, 400) .. " HTTP/1.1",
    "Host: " .. host,
    "User-Agent: " .. AGENT,
    "Accept: " .. ACCEPT,
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br",
    "Connection: " .. connection,
    "Cookie: session=" .. hex(32) .. "; cart=" .. hex(16) .. "; seen=" .. math.random(1, 100000),
    "traceparent: 00-" .. hex(32) .. "-" .. hex(16) .. "-01",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "", "",
  }, "\r\n")
end

function init(args)
  if args[1] == "same" then
    return
  end
  local connection = args[1] == "browser-close" and "close" or "keep-alive"
  math.randomseed(1)
  local heads, at = {}, 0
  for i = 1, HEADS do
    local host = args[3] and string.format(args[2], i % tonumber(args[3])) or args[2]
    heads[i] = browser_head(host, connection)
  end
  request = function()
    at = at % HEADS + 1
    return heads[at]
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
