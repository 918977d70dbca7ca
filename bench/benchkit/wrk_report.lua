-- Makes wrk end its output with one line of JSON, read by load.py. wrk calls `done` once, after
-- the load; with no other function here the script costs the load nothing.
local line = '{"requests":%d,"microseconds":%d,"bytes":%.0f,"errors":'
    .. '{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n'

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(line:format(summary.requests, summary.duration, summary.bytes, errors.connect,
        errors.read, errors.write, errors.status, errors.timeout))
end
