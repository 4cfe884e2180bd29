local ffi = require "ffi"
local header = require "spec.support.header"
local lib = require "spec.support.ffi"

header "executor/board.h"

local FREE, SENT, RUNNING, SUCCEEDED, FAILED, RECALLED, CORRUPT = 0, 1, 2, 3, 4, 5, 6
local SLOT, JOB, OTHER = lib.BOARD_SLOTS - 1, 41, 42

describe("executor/board", function()
  local board

  -- A board whose slot holds this job in this state.
  local function put(state)
    board.slots[SLOT].word = ffi.cast("uint64_t", JOB) * 256 + state
  end

  local function state()
    return tonumber(lib.board_read(board, SLOT, JOB))
  end

  before_each(function()
    board = ffi.new "struct board"
  end)

  it("is one page", function()
    assert.equal(4096, ffi.sizeof "struct board")
  end)

  it("begins free", function()
    assert.equal(FREE, tonumber(lib.board_read(board, SLOT, 0)))
  end)

  it("goes SENT, RUNNING, SUCCEEDED or FAILED, with the times of each", function()
    for success, ended in pairs { [true] = SUCCEEDED, [false] = FAILED } do
      lib.board_post(board, SLOT, JOB)
      assert.equal(SENT, state())
      assert.is_true(lib.board_start(board, SLOT, JOB, 1000))
      assert.equal(RUNNING, state())
      assert.equal(1000, tonumber(board.slots[SLOT].started_ns))
      lib.board_end(board, SLOT, JOB, success, 2000)
      assert.equal(ended, state())
      assert.equal(2000, tonumber(board.slots[SLOT].ended_ns))
    end
  end)

  it("moves from the one state that each move names, and from no other", function()
    for from = FREE, 7 do
      put(from)
      assert.equal(from == SENT, lib.board_recall(board, SLOT, JOB))
      assert.equal(from == SENT and RECALLED or math.min(from, CORRUPT), state())
      put(from)
      assert.equal(from == SENT, lib.board_start(board, SLOT, JOB, 1))
      assert.equal(from == SENT and RUNNING or math.min(from, CORRUPT), state())
      put(from)
      lib.board_end(board, SLOT, JOB, true, 1)
      assert.equal(from == RUNNING and SUCCEEDED or math.min(from, CORRUPT), state())
    end
  end)

  it("changes nothing for another job, and calls its slot corrupt", function()
    for _, from in ipairs { FREE, SENT, RUNNING, SUCCEEDED, FAILED, RECALLED } do
      put(from)
      assert.is_false(lib.board_recall(board, SLOT, OTHER))
      assert.is_false(lib.board_start(board, SLOT, OTHER, 1))
      lib.board_end(board, SLOT, OTHER, true, 1)
      assert.equal(from, state())
      assert.equal(CORRUPT, tonumber(lib.board_read(board, SLOT, OTHER)))
    end
  end)

  it("does not start outside of the page", function()
    for _, slot in ipairs { SLOT + 1, 128, 0xffffffff } do
      assert.is_false(lib.board_start(board, slot, JOB, 1))
    end
  end)

  it("calls words that no move can leave corrupt", function()
    for _, word in ipairs { 0xffffffffffffffffULL, 0ULL, JOB * 256ULL + CORRUPT, JOB * 256ULL + 255, JOB * 1ULL } do
      board.slots[SLOT].word = word
      assert.equal(CORRUPT, state())
    end
  end)

  it("keeps the largest sequence, and the neighbours as they were", function()
    local largest = 0xffffffffffffffULL
    lib.board_post(board, SLOT, largest)
    assert.is_true(lib.board_start(board, SLOT, largest, 1))
    assert.equal(RUNNING, tonumber(lib.board_read(board, SLOT, largest)))
    assert.equal(0, tonumber(board.stop.sequence))
    for slot = 0, SLOT - 1 do
      assert.equal(FREE, tonumber(lib.board_read(board, slot, 0)))
    end
  end)
end)
