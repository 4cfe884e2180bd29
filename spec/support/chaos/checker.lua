--- Judges a chaos run from what was recorded. A pure function over tables, so that it can be tested with made-up runs.
---
--- facts, with all times in seconds of one clock:
---   puts          n → { n, kind, final = "gone" or "buried", ttr, id }
---   runs          of handlers, by start: { n, slot, pid, parent, start, ended, outcome } (chaos/model.lua)
---   reservations, strays                 (chaos/wire.lua)
---   deeds         of the nemesis, and starts and ends of workers, by time: { time, what, pid, slot, seconds }
---   left          n → the state of what is in the queue at the end
---   foreign       how many jobs more than those are in it
local checker = {}

local LATE = 1      -- seconds: a job that was sent before its reservation went may still be begun
local SLACK = 0.1   -- seconds: between what the server does and what the proxy writes down
local REPLY = 5     -- seconds: after so long without a reply a worker gives a connection up

local EXECUTOR = { ["kill executor"] = true, ["pause executor"] = true }
local WORKER = { ["pause worker"] = true }
local WORKER_ENDS = { ["kill worker"] = true, ["stop worker"] = true, stop = true }
local SERVER = { ["restart server"] = true }
local SERVER_PAUSES = { ["pause server"] = true }

local function complain(case, what, format, ...)
  table.insert(case.report.violations, { what = what, text = format:format(...) })
end

local function count(case, what)
  table.insert(case.report.explained, { what = what })
end

local function index(list, key)
  local by = {}
  for _, entry in ipairs(list) do
    local bucket = by[entry[key]] or {}
    by[entry[key]] = bucket
    table.insert(bucket, entry)
  end
  return by
end

-- A deed of one of these kinds whose time, with all that it lasted, touches from … till; `who`: the pid or slot it met.
local function deed(case, kinds, from, till, who)
  for _, it in ipairs(case.facts.deeds) do
    if it.time <= till and it.time + (it.seconds or 0) >= from and kinds[it.what] and
      (not who or it.pid == who or it.slot == who) then
      return it
    end
  end
end

-- Whether the connection was frozen at some time between those.
local function frozen(connection, from, till)
  for _, it in ipairs(connection.frozen) do
    if it.from <= till and it.till >= from then
      return true
    end
  end
end

-- ---- whose run was it? ---------------------------------------------------------------------------------------------

-- Whether a run may begin then: a worker that was stopped learns late that it has a reservation no more.
local function lasts(case, reservation, time)
  local over = reservation.over
  return not over or over + LATE >= time or deed(case, WORKER, over, time, reservation.slot)
end

-- The reservation that a run belongs to: the latest of its job and worker that has no run yet.
local function reservation_of(case, run)
  local found
  for _, it in ipairs(case.of_job[run.n] or {}) do
    if it.slot == run.slot and it.from <= run.start and lasts(case, it, run.start) and not case.run_of[it] then
      found = it
    end
  end
  return found
end

local function match_runs(case)
  for _, run in ipairs(case.facts.runs) do
    local reservation = reservation_of(case, run)
    if reservation then
      case.run_of[reservation] = run
    elseif case.facts.puts[run.n] then
      complain(case, "run without a reservation", "job %d was begun at %.3f by executor %d of worker %d, which " ..
        "had no reservation of it that was not run yet", run.n, run.start, run.pid, run.slot)
    else
      complain(case, "unexpected", "job %d was run at %.3f, and never put", run.n, run.start)
    end
  end
end

-- ---- verbs ---------------------------------------------------------------------------------------------------------

local function settled_by(reservation, before)
  for _, exchange in ipairs(reservation.told) do
    if exchange.verb ~= "touch" and (not before or exchange.sent <= before) then
      return exchange
    end
  end
end

local function succeeded_before(reservation, runs, time)
  for _, run in ipairs(runs or {}) do
    if run.slot == reservation.slot and run.outcome == "success" and run.start >= reservation.from and
      run.ended <= time then
      return true
    end
  end
end

local function check_deletes(case)
  for _, reservation in ipairs(case.facts.reservations) do
    local runs = case.runs_of[reservation.n]
    for _, exchange in ipairs(reservation.told) do
      if exchange.verb == "delete" and not succeeded_before(reservation, runs, exchange.sent) then
        complain(case, "delete without success", "job %s (id %s) was deleted at %.3f on connection %d, which had " ..
          "reserved it at %.3f, and no run had succeeded there", tostring(reservation.n), reservation.id,
          exchange.sent, reservation.connection.number, reservation.from)
      end
    end
  end
  for _, stray in ipairs(case.facts.strays) do
    complain(case, "verb without a reservation", "%s %s at %.3f on connection %d, which had not reserved it",
      stray.exchange.verb, stray.exchange.id, stray.exchange.sent, stray.connection.number)
  end
end

-- A job that was never begun may go back, but is no failure, unless its executor died before it said that it began.
local function check_unrun(case)
  for _, reservation in ipairs(case.facts.reservations) do
    local exchange = not case.run_of[reservation] and settled_by(reservation)
    if exchange and exchange.verb == "bury" and
      not deed(case, EXECUTOR, reservation.from - REPLY, exchange.sent, reservation.slot) then
      complain(case, "buried unrun", "job %d was buried at %.3f on connection %d and had not been begun there",
        reservation.n, exchange.sent, reservation.connection.number)
    end
  end
end

-- ---- why a job that ran was given out again ------------------------------------------------------------------------

local RETRIED = { failed = true, released = true, buried = true, crashed = true }

local function by_verb(case, reservation, exchange)
  local run = case.run_of[reservation]
  if RETRIED[run.outcome] then
    count(case, run.outcome)
  elseif deed(case, EXECUTOR, run.ended or run.start, exchange.sent, run.pid) then
    count(case, "executor killed or stopped")
  elseif not run.outcome and deed(case, WORKER, run.start, exchange.sent, run.slot) then
    count(case, "worker stopped beyond a time limit")
  elseif not run.outcome and (frozen(reservation.connection, run.start, exchange.sent) or
    deed(case, SERVER_PAUSES, run.start, exchange.sent)) then
    count(case, "no answer to its handler within a time limit")
  else
    return ("it answered %s, and its worker sent %s at %.3f"):format(run.outcome or "nothing", exchange.verb,
      exchange.sent)
  end
end

local function by_closing(case, reservation)
  local connection, run, closed = reservation.connection, case.run_of[reservation], reservation.closed
  local function met(kinds, early, who)
    return deed(case, kinds, early, closed + SLACK, who)
  end
  if connection.closer == "cut" then
    count(case, "connection cut")
  elseif connection.closer == "server" and met(SERVER, closed - REPLY) then
    count(case, "server restarted")
  elseif connection.closer == "client" and met(WORKER_ENDS, connection.opened, reservation.slot) then
    count(case, "worker ended")
  elseif connection.closer == "client" and (frozen(connection, closed - REPLY, closed) or
    met(SERVER_PAUSES, closed - REPLY) or met(WORKER, closed - SLACK, reservation.slot)) then
    count(case, "no reply in time")
  else
    return ("connection %d was closed at %.3f by the %s while %s"):format(connection.number, closed, connection.closer,
      run.ended and "it was to be settled" or "it ran")
  end
end

local function by_expiry(case, reservation, again)
  local from = reservation.renewed - SLACK
  if deed(case, WORKER, from, again, reservation.slot) then
    count(case, "expired while its worker was stopped")
  elseif deed(case, SERVER_PAUSES, from, again) or deed(case, SERVER, from, again) then
    count(case, "expired while its server was stopped")
  elseif frozen(reservation.connection, from, again) then
    count(case, "expired while its connection was frozen")
  else
    return ("its reservation of %.3f was renewed last at %.3f, and nothing had stopped its worker"):format(
      reservation.from, reservation.renewed)
  end
end

-- nil when it is explained, else what is wrong.
local function explain(case, reservation, again, ttr)
  local exchange = settled_by(reservation, again)
  local unanswered = exchange and not exchange.reply
  local expired = reservation.renewed + ttr <= again + SLACK
  local closed = reservation.closed and reservation.closed <= again + SLACK
  closed = closed and not (expired and reservation.closed > again) -- it had run out before
  if exchange and exchange.verb ~= "delete" then
    return by_verb(case, reservation, exchange)
  elseif exchange and exchange.reply == "DELETED" and exchange.answered < again then
    return ("the server had answered DELETED at %.3f"):format(exchange.answered)
  elseif closed and (not exchange or unanswered) then
    return by_closing(case, reservation)
  elseif deed(case, SERVER, reservation.from - SLACK, again) then
    count(case, "server restarted") -- of a frozen connection the closing shows late
    return nil
  elseif expired then
    return by_expiry(case, reservation, again)
  end
  return ("nothing had ended its reservation of %.3f on connection %d"):format(reservation.from,
    reservation.connection.number)
end

-- All that was recorded of a job from one time to another, for the eye.
local function history(case, n, from, till)
  local lines = {}
  local function add(time, format, ...)
    if time and time >= from - 1 and time <= till + 1 then
      table.insert(lines, ("    %.3f "):format(time) .. format:format(...))
    end
  end
  for _, it in ipairs(case.of_job[n]) do
    local number = it.connection.number
    add(it.from, "connection %d of worker %d reserves it", number, it.slot)
    for _, exchange in ipairs(it.told) do
      add(exchange.sent, "connection %d: %s", number, exchange.verb)
      add(exchange.answered, "connection %d: %s to %s", number, exchange.reply or "-", exchange.verb)
    end
    add(it.closed, "connection %d is closed (%s)", number, tostring(it.connection.closer))
  end
  for _, it in ipairs(case.runs_of[n]) do
    add(it.start, "run by %d of worker %d", it.pid, it.slot)
    add(it.ended, "end of the run by %d: %s", it.pid, it.outcome or "-")
  end
  for _, it in ipairs(case.facts.deeds) do
    add(it.time, "%s, pid or connection %s, worker %s, %g s", it.what, tostring(it.pid), tostring(it.slot),
      it.seconds or 0)
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function check_repeat(case, put, reservation, again)
  local run = case.run_of[reservation]
  local wrong = explain(case, reservation, again, put.ttr)
  case.report.repeats = case.report.repeats + 1
  if wrong then
    complain(case, "unexplained repeat", "job %d (%s, id %s, begun at %.3f by executor %d of worker %d) was given " ..
      "out again at %.3f, although %s:\n%s", put.n, put.kind, reservation.id, run.start, run.pid, run.slot, again,
      wrong, history(case, put.n, reservation.from, again))
  end
end

local function check_repeats(case)
  for n, put in pairs(case.facts.puts) do
    local reservations = case.of_job[n] or {}
    for i, reservation in ipairs(reservations) do
      if case.run_of[reservation] and reservations[i + 1] then
        check_repeat(case, put, reservation, reservations[i + 1].from)
      end
    end
  end
end

-- ---- the sets ------------------------------------------------------------------------------------------------------

local function has_success(runs)
  for _, run in ipairs(runs or {}) do
    if run.outcome == "success" then
      return true
    end
  end
end

local function check_sets(case)
  for n, put in pairs(case.facts.puts) do
    case.report.jobs = case.report.jobs + 1
    local state = case.facts.left[n]
    if put.final == "buried" and (state ~= "buried" or not case.runs_of[n]) then
      complain(case, "lost", "job %d (%s, id %s) is to be run and buried, and is %s after %d runs", n, put.kind,
        put.id, state or "gone", #(case.runs_of[n] or {}))
    elseif put.final == "gone" and state then
      complain(case, "left over", "job %d (%s, id %s) is still in the queue: %s", n, put.kind, put.id, state)
    elseif put.final == "gone" and not has_success(case.runs_of[n]) then
      complain(case, "lost", "job %d (%s, id %s) is gone, and no run of it had succeeded (%d runs)", n, put.kind,
        put.id, #(case.runs_of[n] or {}))
    end
  end
  if case.facts.foreign > 0 then
    complain(case, "unexpected", "%d jobs are in the queue that were never put", case.facts.foreign)
  end
  for _, it in ipairs(case.facts.deeds) do
    if it.what:find "^died" then
      complain(case, "worker died", "worker %d (pid %d) ended by itself at %.3f (%s)", it.slot, it.pid, it.time,
        it.what)
    end
  end
end

--- Returns { violations = list of { what, text }, explained = list of { what } (why a job was given out again after a
--- run), jobs, runs, repeats = how many }.
function checker.check(facts)
  local case = {
    facts = facts,
    report = { violations = {}, explained = {}, jobs = 0, runs = #facts.runs, repeats = 0 },
    of_job = index(facts.reservations, "n"), -- n → its reservations
    runs_of = index(facts.runs, "n"),        -- n → its runs
    run_of = {},                             -- reservation → its run
  }
  match_runs(case)
  check_deletes(case)
  check_unrun(case)
  check_repeats(case)
  check_sets(case)
  return case.report
end

return checker
