"""The learners: the only folder where torch may be imported."""
