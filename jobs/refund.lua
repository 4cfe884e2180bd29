-- jobs/refund.lua: gives the money of an order back, once.
--
--   data      order: its number or name · cents: how much
--   settings  payments: { url: https://…, key: … }: of the provider, which takes POST URL/refunds
--
-- It needs Redis (redis: in config.yml), which keeps for 30 days what was refunded: a second run, or a second job for
-- the same order, does nothing.

local json = require "lunastalk.json"
local log = require "lunastalk.log"
local settings = require "lunastalk.settings"
local web = require "web"

local KEPT = 30 * 24 * 60 * 60

local function check(data)
  local order, cents = tostring(data.order), data.cents
  if type(data.order) == "table" or #order > 100 or not order:find("^[%w_-]+$") then
    return "data.order: neither a number nor a name"
  end
  if type(cents) ~= "number" or cents < 1 or cents % 1 ~= 0 then return "data.cents: not a whole number above 0" end
end

-- The provider's id of the refund, or nil and why there is none. job:once gives its key back when the job fails, which
-- it does too when only the answer was lost: so the provider gets a key of its own, for which it refunds once.
local function pay_back(order, cents)
  local answer, problem = web.request {
    method = "POST",
    url = settings.payments.url .. "/refunds",
    headers = {
      authorization = "Bearer " .. settings.payments.key,
      ["content-type"] = "application/json",
      ["idempotency-key"] = "refund-" .. order,
    },
    body = json.encode { order = order, cents = cents },
  }
  if not answer then return nil, problem end
  if answer.status ~= 200 and answer.status ~= 201 then
    return nil, ("the provider says %d: %s"):format(answer.status, answer.body:sub(1, 200))
  end
  local said = json.decode(answer.body)
  return type(said) == "table" and said.id or "no id"
end

return {
  timeout = 60,
  retry = { max = 0 }, -- where money is at stake somebody looks first: it is buried, and a kick runs it again
  process = function(job)
    local problem = check(job.data)
    if problem then return false, problem end
    if not settings.payments then return false, "settings: there is no payments" end
    local order, cents = tostring(job.data.order), job.data.cents
    if not job:once("refund:" .. order, KEPT) then
      log.notice("order {order} was refunded before", { order = order })
      return true
    end
    local refund, reason = pay_back(order, cents)
    if not refund then return false, ("order %s: %s"):format(order, reason) end
    log.info("order {order}: {cents} cents given back: {refund}", { order = order, cents = cents, refund = refund })
  end,
}
