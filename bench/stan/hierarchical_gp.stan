// Votes by state and year: effects of years, regions and states, and a Gaussian process over years for each region and
// state. Their variances are shares of one total.
data {
  int<lower=1> N;
  int<lower=1> N_states;
  int<lower=1> N_regions;
  int<lower=1> N_years_obs;
  int<lower=1> N_years;
  array[N_states] int<lower=1, upper=N_regions> state_region_ind;
  array[N] int<lower=1, upper=N_states> state_ind;
  array[N] int<lower=1, upper=N_regions> region_ind;
  array[N] int<lower=1, upper=N_years_obs> year_ind;
  vector<lower=0, upper=1>[N] y;
}
transformed data {
  array[N_years] real years = linspaced_array(N_years, 1, N_years);
  array[N] int region_cell; // of a matrix with a column a year
  array[N] int state_cell;
  for (n in 1 : N) {
    region_cell[n] = (year_ind[n] - 1) * N_regions + region_ind[n];
    state_cell[n] = (year_ind[n] - 1) * N_states + state_ind[n];
  }
}
parameters {
  matrix[N_regions, N_years] GP_region_std; // a column a year: the order of the coordinates
  matrix[N_states, N_years] GP_state_std;
  vector[N_years_obs] year_std;
  vector[N_states] state_std;
  vector[N_regions] region_std;
  real<lower=0> tot_var;
  vector[16] prop_var; // coordinates of a simplex by stick breaking: releases of Stan differ in theirs
  real mu;
  real<lower=0> length_GP_region_long;
  real<lower=0> length_GP_state_long;
  real<lower=0> length_GP_region_short;
  real<lower=0> length_GP_state_short;
}
model {
  vector[17] share;
  real rest = 1;
  for (k in 1 : 16) {
    real part = inv_logit(prop_var[k] - log(17 - k));
    share[k] = rest * part;
    target += log(rest) + log(part) + log1m(part);
    rest *= 1 - part;
  }
  share[17] = rest;
  share ~ dirichlet(rep_vector(2, 17));
  vector[17] variance = 17 * tot_var * share;

  matrix[N_years, N_years] L_region = cholesky_decompose(
    add_diag(gp_exp_quad_cov(years, sqrt(variance[13]), length_GP_region_long)
             + gp_exp_quad_cov(years, sqrt(variance[15]), length_GP_region_short), 1e-6));
  matrix[N_years, N_years] L_state = cholesky_decompose(
    add_diag(gp_exp_quad_cov(years, sqrt(variance[14]), length_GP_state_long)
             + gp_exp_quad_cov(years, sqrt(variance[16]), length_GP_state_short), 1e-6));
  vector[N_regions * N_years] GP_region = to_vector(GP_region_std * L_region');
  vector[N_states * N_years] GP_state = to_vector(GP_state_std * L_state');
  vector[N_years_obs] year_re = sqrt(variance[1]) * year_std;
  vector[N_regions] region_re = sqrt(variance[2]) * region_std;
  vector[N_regions] sigma_state = sqrt(variance[3 : 12]);
  vector[N_states] state_re = sigma_state[state_region_ind] .* state_std;

  to_vector(GP_region_std) ~ std_normal();
  to_vector(GP_state_std) ~ std_normal();
  year_std ~ std_normal();
  state_std ~ std_normal();
  region_std ~ std_normal();
  tot_var ~ gamma(3, 3);
  mu ~ normal(0.5, 0.5);
  length_GP_region_long ~ weibull(30, 8);
  length_GP_state_long ~ weibull(30, 8);
  length_GP_region_short ~ weibull(30, 3);
  length_GP_state_short ~ weibull(30, 3);
  y ~ normal(mu + year_re[year_ind] + state_re[state_ind] + region_re[region_ind] + GP_region[region_cell]
             + GP_state[state_cell],
             sqrt(variance[17]));
}
